//! The word before a full stop in, whether the stop ends a sentence out. Knows English abbreviations; a table.

/// How an abbreviation stands to the end of a sentence.
pub(super) enum Abbreviation {
    /// None: its full stop ends the sentence.
    No,
    /// A title or an initial: a name follows, never a new sentence.
    BeforeName,
    /// A month or "No.": part of a date or a number when digits follow.
    BeforeNumber,
    /// It may end a sentence; the next word tells.
    Anywhere,
}

/// How the word before a full stop stands to the end of a sentence.
pub(super) fn abbreviation(word: &str) -> Abbreviation {
    const BEFORE_NAME: &[&str] = &[
        "mr", "mrs", "ms", "dr", "prof", "st", "mt", "ft", "gen", "sen", "rep", "gov", "lt", "col", "capt", "cmdr",
        "sgt", "maj", "adm", "pres", "rev", "hon", "messrs", "mme", "mlle", "vs", "v", "cf", "ca", "approx", "viz",
        "dept", "supt", "insp", "atty",
    ];
    const BEFORE_NUMBER: &[&str] = &[
        "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "no", "nos", "vol", "fig",
        "figs", "pp", "p", "art", "sec", "ch", "para",
    ];
    const ANYWHERE: &[&str] = &[
        "inc", "ltd", "corp", "co", "cos", "bros", "llc", "plc", "jr", "sr", "etc", "al", "est", "ave", "blvd", "rd",
        "ph", "esq", "calif", "fla", "tex", "wash", "mass", "conn", "penn", "pa", "va", "md", "ky", "tenn", "ala",
        "ariz", "ark", "colo", "ill", "ind", "kan", "la", "mich", "minn", "miss", "mo", "mont", "neb", "nev", "okla",
        "ore", "wis", "wyo", "ga", "del", "n.c", "dak",
    ];
    let lower = word.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let is_capital = word.starts_with(char::is_uppercase);
    if lower.is_empty() {
        return Abbreviation::No;
    }
    if BEFORE_NAME.contains(&lower.as_str())
        && (is_capital || matches!(lower.as_str(), "vs" | "v" | "cf" | "ca" | "approx" | "viz"))
    {
        return Abbreviation::BeforeName;
    }
    if BEFORE_NUMBER.contains(&lower.as_str()) {
        return Abbreviation::BeforeNumber;
    }
    if matches!(lower.as_str(), "e.g" | "i.e") {
        return Abbreviation::BeforeName;
    }
    let last_part = lower.rsplit('.').next().unwrap_or(&lower);
    let has_inner_stops = lower.contains('.')
        && last_part.chars().count() <= 2
        && lower.split('.').all(|part| part.chars().count() <= 3 && part.chars().all(char::is_alphabetic));
    if has_inner_stops
        || (ANYWHERE.contains(&lower.as_str()) && (is_capital || matches!(lower.as_str(), "etc" | "al" | "est")))
    {
        return Abbreviation::Anywhere;
    }
    // "I" ends sentences; other single capitals are initials.
    let mut letters = word.chars();
    match (letters.next(), letters.next()) {
        (Some(c), None) if c.is_uppercase() && c != 'I' => Abbreviation::BeforeName,
        _ => Abbreviation::No,
    }
}

/// Words that open sentences much more often than they continue a name after an abbreviation.
pub(super) fn is_starter(word: &str) -> bool {
    const STARTERS: &[&str] = &[
        "The", "A", "An", "In", "On", "At", "It", "Its", "He", "She", "They", "We", "I", "You", "But", "And", "Or",
        "So", "This", "That", "These", "Those", "There", "Then", "When", "While", "If", "As", "After", "Before",
        "Since", "For", "From", "With", "Without", "By", "To", "Of", "His", "Her", "Their", "Our", "My", "Some",
        "Many", "Most", "All", "Both", "Each", "One", "Two", "Three", "No", "Not", "Now", "Still", "Yet", "However",
        "Although", "Though", "Because", "Under", "Over", "During", "Despite", "Last", "Next", "Also", "What", "Who",
        "Why", "How", "Where", "It's", "It’s", "That's", "That’s", "Other", "Others", "Another", "Such", "Until",
    ];
    STARTERS.contains(&word)
}
