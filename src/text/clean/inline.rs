//! The runs of text and the inline tags of one block in, its words out. Knows what a tag does to the words inside it: what is
//! raised, struck out, quoted, or stands above a character. Shared by web pages and Markdown.

use crate::text::Reason;

/// The words of a block as they are gathered.
#[derive(Debug, Default)]
pub(super) struct Inline {
    /// The words so far.
    pub(super) text: String,
    /// Runs that were taken out of them: where in `text`, why, what.
    pub(super) taken_out: Vec<(usize, Reason, String)>,
    /// What the citation marks of the block link to, without the `#`.
    pub(super) targets: Vec<String>,
    open: Vec<Mark>,
    /// The fragment that the open link leads to.
    fragment: Option<String>,
}

/// An inline element that is open.
#[derive(Debug)]
struct Mark {
    name: String,
    /// Where in the text its content begins.
    from: usize,
    /// Elements directly inside it so far, which tells numerator from denominator.
    children: usize,
    /// Whether a link to a place in the page is around it or in it.
    is_linked: bool,
}

/// More marks than this one in the other are not told apart.
const MAX_DEPTH: usize = 64;

/// Whether `name` is an element that changes what the words inside it say.
pub(super) fn is_mark(name: &str) -> bool {
    matches!(name, "sup" | "sub" | "s" | "strike" | "del" | "q" | "rt" | "rp" | "rtc") || is_formula(name)
}

fn is_formula(name: &str) -> bool {
    matches!(
        name,
        "math"
            | "semantics"
            | "annotation"
            | "annotation-xml"
            | "mrow"
            | "mfrac"
            | "msup"
            | "msub"
            | "msubsup"
            | "msqrt"
            | "mroot"
            | "mi"
            | "mn"
            | "mo"
            | "mtext"
            | "mfenced"
            | "mstyle"
            | "mover"
            | "munder"
            | "munderover"
    )
}

impl Inline {
    /// Words in which no tag does anything.
    pub(super) fn plain(text: String) -> Inline {
        Inline { text, ..Inline::default() }
    }

    /// Whether nothing but blanks was gathered.
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty() && self.taken_out.is_empty()
    }

    /// A link opens (`Some` address) or closes.
    pub(super) fn link(&mut self, href: Option<&str>) {
        self.fragment = href.and_then(|href| href.rsplit_once('#')).map(|(_, id)| id.to_owned());
        if let (Some(mark), Some(id)) = (self.open.iter_mut().rfind(|mark| mark.name == "sup"), &self.fragment) {
            mark.is_linked = true;
            self.targets.push(id.clone());
        }
    }

    /// An element opens for which [`is_mark`] holds.
    pub(super) fn open(&mut self, name: &str) {
        if self.open.len() >= MAX_DEPTH {
            return;
        }
        if is_formula(name)
            && let Some(parent) = self.open.last_mut()
        {
            parent.children += 1;
            let joint = match (parent.name.as_str(), parent.children) {
                ("mfrac", 2) => "/",
                ("msup", 2) | ("msubsup", 3) => "^",
                ("msub", 2) | ("msubsup", 2) => "_",
                _ => "",
            };
            let in_brackets = name == "mrow" && matches!(parent.name.as_str(), "mfrac" | "msup" | "msub" | "msubsup");
            self.text.push_str(joint);
            self.text.push_str(if in_brackets { "(" } else { "" });
        }
        let n_quotes = self.open.iter().filter(|mark| mark.name == "q").count();
        self.text.push_str(match name {
            "q" if n_quotes % 2 == 0 => "“",
            "q" => "‘",
            "msqrt" => "√(",
            _ => "",
        });
        let fragment = self.fragment.clone().filter(|_| name == "sup");
        self.open.push(Mark {
            name: name.to_owned(),
            from: self.text.len(),
            children: 0,
            is_linked: fragment.is_some(),
        });
        self.targets.extend(fragment);
    }

    /// An element closes; what it does to its words is done.
    pub(super) fn close(&mut self, name: &str) {
        let Some(at) = self.open.iter().rposition(|mark| mark.name == name) else {
            return;
        };
        while self.open.len() > at {
            self.close_last();
        }
    }

    fn close_last(&mut self) {
        let Some(mark) = self.open.pop() else {
            return;
        };
        match mark.name.as_str() {
            "s" | "strike" | "del" => self.take_out(mark.from, Reason::StruckOut),
            "rt" | "rtc" => self.take_out(mark.from, Reason::Note),
            // Seen only where readings are not shown above the characters; the source of a formula likewise.
            "rp" | "annotation" | "annotation-xml" => self.text.truncate(mark.from),
            "sup" => self.raise(mark.from, mark.is_linked),
            "sub" => {
                let is_after_digit = self.text[..mark.from].ends_with(|c: char| c.is_ascii_digit());
                if is_after_digit && self.text[mark.from..].starts_with(|c: char| c.is_ascii_digit()) {
                    self.text.insert(mark.from, '_');
                }
            }
            "q" if self.open.iter().filter(|mark| mark.name == "q").count() % 2 == 0 => self.text.push('”'),
            "q" => self.text.push('’'),
            "msqrt" => self.text.push(')'),
            "mrow" => {
                let parent = self.open.last().map(|parent| parent.name.as_str());
                if matches!(parent, Some("mfrac" | "msup" | "msub" | "msubsup")) {
                    self.text.push(')');
                }
            }
            _ => {}
        }
    }

    /// Ends the block: its words, and marks that go on in the next.
    pub(super) fn end(&mut self) -> Inline {
        let open: Vec<String> = self.open.iter().map(|mark| mark.name.clone()).collect();
        while !self.open.is_empty() {
            self.close_last();
        }
        let ended = std::mem::take(self);
        self.fragment.clone_from(&ended.fragment);
        // A passage that is struck out goes on over paragraphs; nothing else does.
        for name in open.iter().filter(|name| matches!(name.as_str(), "s" | "strike" | "del")) {
            self.open(name);
        }
        ended
    }

    /// Takes the words since byte `from` out of the text.
    pub(super) fn take_out(&mut self, from: usize, reason: Reason) {
        let run = self.text.split_off(from);
        if !run.trim().is_empty() {
            self.taken_out.push((from, reason, run));
        }
    }

    /// What a superscript is: a power stays as one, a footnote mark is taken out, letters (`16th`) are letters.
    fn raise(&mut self, from: usize, is_linked: bool) {
        let raised = self.text[from..].trim().to_owned();
        let bare = raised.trim_matches(['[', ']']);
        let digits = bare.trim_start_matches(['-', '−', '–', '+']);
        let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
        let is_signed = digits.len() < bare.len();
        let is_mark = bare.len() < raised.len()
            || bare.chars().all(|c| c.is_ascii_digit() || matches!(c, '*' | '†' | '‡' | '§' | ',' | '-' | '–' | ' '));
        let unit = self.text[..from].rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned();
        let is_formula =
            self.text[..from - unit.len()].ends_with(['=', '+', '-', '*', '/', '·', '(']) && unit.len() <= 3;
        if is_linked {
            self.take_out(from, Reason::CitationMark);
        } else if is_number && (is_signed || is_formula || takes_power(&unit)) {
            self.text.truncate(from);
            match bare {
                "2" if !unit.ends_with(|c: char| c.is_ascii_digit()) => self.text.push('²'),
                "3" if !unit.ends_with(|c: char| c.is_ascii_digit()) => self.text.push('³'),
                _ => self.text.push_str(&format!("^{}", bare.replace(['−', '–'], "-"))),
            }
        } else if is_mark {
            self.take_out(from, Reason::CitationMark);
        }
    }
}

/// Whether a number raised behind `word` is its power: ten and two, units of measure, the letters of formulas.
fn takes_power(word: &str) -> bool {
    const UNITS: &[&str] =
        &["10", "2", "km", "cm", "mm", "dm", "nm", "µm", "ft", "yd", "mi", "sec", "米", "公里", "千米", "厘米"];
    let mut letters = word.chars();
    let is_letter = letters.next().is_some_and(char::is_alphabetic) && letters.next().is_none() && word.is_ascii();
    is_letter || UNITS.contains(&word) || (word.ends_with('米') && !word.is_ascii())
}
