//! The word before a full stop in, how the stop stands to the end of a sentence out. Knows English abbreviations; a table.

/// How an abbreviation stands to the end of a sentence.
pub(super) enum Abbreviation {
    /// None: its full stop ends the sentence.
    No,
    /// A title: a name follows, never a new sentence.
    BeforeName,
    /// A single capital: the initial of a name, or what a class is called by.
    Initial,
    /// a.m. and p.m.: a day or a time zone may follow in the same sentence.
    Time,
    /// A month or "No.": part of a date or a number when digits follow.
    BeforeNumber,
    /// It may end a sentence; the next word tells.
    Anywhere,
}

/// How `word` before a full stop stands to the end of a sentence; `before` is the word before it.
pub(super) fn abbreviation(word: &str, before: &str) -> Abbreviation {
    const BEFORE_NAME: &[&str] = &[
        "mr", "mrs", "ms", "dr", "prof", "st", "ste", "mt", "ft", "gen", "sen", "rep", "gov", "lt", "col", "capt",
        "cmdr", "sgt", "maj", "adm", "pres", "rev", "hon", "messrs", "mme", "mlle", "vs", "v", "cf", "ca", "approx",
        "viz", "dept", "supt", "insp", "atty",
    ];
    const BEFORE_NUMBER: &[&str] = &[
        "jan", "feb", "mar", "apr", "jun", "jul", "aug", "sep", "sept", "oct", "nov", "dec", "no", "nos", "vol", "fig",
        "figs", "pp", "p", "art", "sec", "ch", "para",
    ];
    const ANYWHERE: &[&str] = &[
        "inc", "ltd", "corp", "co", "cos", "bros", "llc", "plc", "jr", "sr", "etc", "al", "est", "ave", "blvd", "rd",
        "ph", "esq", "n.c", "dak",
    ];
    /// States, many of which are words too: abbreviations where a place stands before them (Boston, Mass.).
    const STATES: &[&str] = &[
        "calif", "fla", "tex", "wash", "mass", "conn", "penn", "pa", "va", "md", "ky", "tenn", "ala", "ariz", "ark",
        "colo", "ill", "ind", "kan", "la", "mich", "minn", "miss", "mo", "mont", "neb", "nev", "okla", "ore", "wis",
        "wyo", "ga", "del",
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
    // "The answer was no. 42 people left."
    const SAYING: &[&str] =
        &["was", "is", "be", "said", "say", "says", "answered", "voted", "vote", "a", "just", "simply"];
    if BEFORE_NUMBER.contains(&lower.as_str()) && !(word == "no" && SAYING.contains(&before)) {
        return Abbreviation::BeforeNumber;
    }
    if matches!(lower.as_str(), "a.m" | "p.m") {
        return Abbreviation::Time;
    }
    if matches!(lower.as_str(), "e.g" | "i.e") {
        return Abbreviation::BeforeName;
    }
    let last_part = lower.rsplit('.').next().unwrap_or(&lower);
    let has_inner_stops = lower.contains('.')
        && last_part.chars().count() <= 2
        && lower.split('.').all(|part| part.chars().count() <= 3 && part.chars().all(char::is_alphabetic));
    if has_inner_stops
        || (STATES.contains(&lower.as_str()) && is_capital && before.ends_with(','))
        || (ANYWHERE.contains(&lower.as_str()) && (is_capital || matches!(lower.as_str(), "etc" | "al" | "est")))
    {
        return Abbreviation::Anywhere;
    }
    // "I" ends sentences; other single capitals are initials.
    let mut letters = word.chars();
    match (letters.next(), letters.next()) {
        (Some(c), None) if c.is_uppercase() && c != 'I' => Abbreviation::Initial,
        _ => Abbreviation::No,
    }
}

/// Whether a class of things that letters tell apart is named by `word`: Group B, hepatitis B, Series A.
pub(super) fn names_by_letter(word: &str) -> bool {
    const CLASSES: &[&str] = &[
        "group",
        "series",
        "type",
        "class",
        "grade",
        "plan",
        "team",
        "section",
        "appendix",
        "vitamin",
        "hepatitis",
        "influenza",
        "category",
        "part",
        "phase",
        "tier",
        "level",
        "unit",
        "zone",
        "block",
        "gate",
        "hall",
        "building",
        "room",
        "line",
        "option",
        "schedule",
        "exhibit",
        "figure",
        "table",
        "round",
        "point",
        "terminal",
        "platform",
    ];
    CLASSES.contains(&word.to_lowercase().as_str())
}

/// Whether a time goes on with `word`: 5 p.m. Monday, 5 p.m. EST.
pub(super) fn is_zone_or_day(word: &str) -> bool {
    const DAYS: &[&str] = &["Mon", "Tues", "Wednes", "Thurs", "Fri", "Satur", "Sun"];
    let is_zone = (2..=4).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_uppercase());
    let is_region = matches!(word, "Eastern" | "Central" | "Pacific" | "Mountain" | "Greenwich");
    let is_month = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    is_zone
        || is_region
        || DAYS.iter().any(|day| word.strip_suffix("day") == Some(day))
        || is_month.iter().any(|it| word.starts_with(it))
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
