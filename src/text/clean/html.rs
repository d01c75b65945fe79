use super::Page;
pub(super) fn read(text: &str) -> Page { super::plain::read(text) }
