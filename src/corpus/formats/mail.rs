//! A message or a mailbox in, the words of each message out: decoded, the plainer of its forms. Attachments are left.

use mail_parser::mailbox::mbox::MessageIterator;
use mail_parser::{Message, MessageParser};

use super::markup;
use crate::corpus::source::Problem;
use crate::text::{Format, RawArticle};

/// Whether a text begins with the head of a message, and not with a line such as `Note: …`.
pub(super) fn is_head(head: &[u8]) -> bool {
    const TELLING: [&str; 5] = ["message-id:", "mime-version:", "received:", "return-path:", "delivered-to:"];
    let head = String::from_utf8_lossy(&head[..head.len().min(8192)]).to_ascii_lowercase();
    let fields = || head.lines().take_while(|line| !line.is_empty());
    let is_field = |line: &str| {
        let name = line.split(':').next().unwrap_or_default();
        name.len() < line.len() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    fields().next().is_some_and(is_field)
        && fields().any(|line| TELLING.iter().any(|name| line.starts_with(name)))
        && fields().any(|line| line.starts_with("from:") || line.starts_with("subject:"))
}

pub(super) fn articles(mailbox: &[u8]) -> Result<Vec<Result<RawArticle, String>>, Problem> {
    let messages = MessageIterator::new(mailbox).enumerate();
    Ok(messages
        .map(|(idx, message)| match message {
            Ok(message) => article(message.contents(), &(idx + 1).to_string()),
            Err(error) => Err(format!("message {}: {error}", idx + 1)),
        })
        .collect())
}

pub(super) fn article(message: &[u8], name: &str) -> Result<RawArticle, String> {
    let message = MessageParser::default().parse(message).ok_or("the message cannot be parsed")?;
    let (text, format) = body(&message).ok_or("the message has no text")?;
    let sender = message.from().and_then(|from| from.first());
    Ok(RawArticle {
        title: message.subject().map(markup::line).filter(|subject| !subject.is_empty()),
        byline: sender.and_then(|sender| sender.name().or(sender.address())).map(str::to_owned),
        date: message.date().map(|date| date.to_rfc3339()),
        ..RawArticle::new(name, text, format)
    })
}

/// The words of a message. Where they come in two forms, the plain one: the HTML of letters is mostly layout. But not
/// where that only says that there is HTML.
fn body(message: &Message<'_>) -> Option<(String, Format)> {
    let plain = message.text_body.iter().filter(|part| message.parts[**part as usize].is_text());
    let plain: Vec<&str> = plain.filter_map(|part| message.parts[*part as usize].text_contents()).collect();
    let plain = plain.join("\n\n");
    let html = message.html_bodies().find(|part| part.is_text_html()).and_then(|part| part.text_contents());
    match html {
        Some(html) if plain.trim().len() * 3 < mail_parser::decoders::html::html_to_text(html).len() => {
            Some((html.to_owned(), Format::Html))
        }
        _ if plain.trim().is_empty() => None,
        _ => Some((plain, Format::Plain)),
    }
}
