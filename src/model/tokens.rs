//! Text in, token ids out, and back. Content cannot become control: the chat frame is made of ids alone, and content
//! goes through an encoder that has never heard of a control token. Knows no weights.

use anyhow::{Context, Result, bail, ensure};
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::NFC;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::tokenizer::SplitDelimiterBehavior;

use super::Prompt;
use super::gguf::{Family, Gguf};
use crate::text::script::is_han;

/// The tokens of one model.
pub struct Tokens {
    encoder: tokenizers::Tokenizer,
    pieces: Pieces,
    /// Ids from here on are control tokens, unused slots or the like; text comes out of none and goes into none.
    first_control: u32,
    frame: Frame,
    ends: Vec<u32>,
}

/// The bytes of every plain token, in one allocation.
struct Pieces {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

/// The ids around the content of a prompt, in ChatML.
struct Frame {
    system: Vec<u32>,
    user: Vec<u32>,
    assistant: Vec<u32>,
    turn_end: Vec<u32>,
}

/// Token type codes of GGUF.
const NORMAL: i32 = 1;
const BYTE: i32 = 6;

/// How Qwen splits text into words before merging: contractions, a letter run with at most one character before it,
/// single digits, punctuation runs with the line breaks behind them, line breaks, and other space.
const WORDS: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    r"|[^\r\n\p{L}\p{N}]?\p{L}+",
    r"|\p{N}",
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*",
    r"|\s*[\r\n]+",
    r"|\s+(?!\S)",
    r"|\s+",
);

/// The same of Qwen3.5, where the marks of a script belong to its letters.
const WORDS_WITH_MARKS: &str = concat!(
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)",
    r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+",
    r"|\p{N}",
    r"| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*",
    r"|\s*[\r\n]+",
    r"|\s+(?!\S)",
    r"|\s+",
);

impl Tokens {
    /// Builds encoder and decoder from the vocabulary and the merges of the file.
    ///
    /// # Errors
    /// A vocabulary that is not byte-level BPE of Qwen's kind, or that lacks a token of the chat frame.
    pub fn new(gguf: &Gguf) -> Result<Tokens> {
        let words = words(gguf)?;
        let types = gguf.token_types()?;
        let first_control = types.iter().position(|kind| ![NORMAL, BYTE].contains(kind));
        let first_control = first_control.unwrap_or(types.len()) as u32;

        let strings = gguf.tokens()?;
        let plain: Vec<&str> = strings.iter().take(first_control as usize).collect();
        let encoder = encoder(gguf, &plain, words)?;
        let pieces = Pieces::new(&plain).map_err(|problem| gguf.refuse("tokenizer.ggml.tokens", problem))?;
        let control = |name: &str| {
            let id = strings.iter().skip(first_control as usize).position(|token| token == name);
            id.map(|id| id as u32 + first_control)
        };
        let frame = Frame::new(can_think(gguf), &encoder, control)?;
        let mut ends: Vec<u32> = ["<|im_end|>", "<|endoftext|>"].into_iter().filter_map(control).collect();
        // A file may name an end of its own, but never a token that text is made of.
        ends.extend(gguf.token_id("tokenizer.ggml.eos_token_id").filter(|id| *id >= first_control));
        Ok(Tokens { encoder, pieces, first_control, frame, ends })
    }

    /// The ids of content: plain tokens, whatever the text spells.
    pub fn encode(&self, text: &str) -> Result<Vec<u32>> {
        encode(&self.encoder, text)
    }

    /// How many tokens `text` is.
    pub fn count(&self, text: &str) -> usize {
        // Encoding fails on no text with this encoder; were it to, a token a byte is the safe side.
        self.encode(text).map_or(text.len(), |ids| ids.len())
    }

    /// The ids with which the words of `text` can be written again, in order of their numbers: at the beginning of a
    /// line and within it, capitalised or not, and of Chinese every run of up to four characters that is one token.
    pub fn vocabulary(&self, text: &str) -> Result<Vec<u32>> {
        let mut ids = self.encode(text)?;
        let words = text.split(|c: char| !c.is_alphanumeric());
        for word in words.filter(|word| !word.is_empty()) {
            let characters: Vec<char> = word.chars().collect();
            if word.is_ascii() || !is_han(characters[0]) {
                for form in forms(word) {
                    ids.extend(self.encode(&form)?);
                }
            }
            for n in 1..=4 {
                for run in characters.windows(n).filter(|run| is_han(run[0])) {
                    let run = self.encode(&run.iter().collect::<String>())?;
                    if n == 1 || run.len() == 1 {
                        ids.extend(run);
                    }
                }
            }
        }
        ids.sort_unstable();
        ids.dedup();
        Ok(ids)
    }

    /// The prompt within its chat frame. An empty system turn is left out.
    pub fn frame(&self, prompt: &Prompt) -> Result<Vec<u32>> {
        let mut ids = Vec::new();
        let turns = [(&self.frame.system, &prompt.system), (&self.frame.user, &prompt.user)];
        for (opening, content) in turns {
            if content.is_empty() && std::ptr::eq(opening, &self.frame.system) {
                continue;
            }
            ids.extend(opening);
            ids.extend(self.encode(content)?);
            ids.extend(&self.frame.turn_end);
        }
        ids.extend(&self.frame.assistant);
        ids.extend(self.encode(&prompt.lead)?);
        Ok(ids)
    }

    /// How many ids of a framed prompt are its system turn, 0 without one. Content cannot end it: that takes control
    /// tokens.
    pub fn n_system(&self, framed: &[u32]) -> usize {
        let Frame { system, turn_end, .. } = &self.frame;
        let mut places = framed.windows(turn_end.len());
        match framed.starts_with(system) {
            true => places.position(|ids| ids == turn_end).map_or(0, |end| end + turn_end.len()),
            false => 0,
        }
    }

    /// How many tokens the frame itself takes, a system turn included.
    pub fn n_frame(&self) -> usize {
        let Frame { system, user, assistant, turn_end } = &self.frame;
        system.len() + user.len() + assistant.len() + 2 * turn_end.len()
    }

    /// Whether the token ends the model's turn.
    pub fn is_end(&self, id: u32) -> bool {
        self.ends.contains(&id)
    }

    /// Whether text is made of this token.
    pub fn is_plain(&self, id: u32) -> bool {
        id < self.first_control
    }

    /// Plain tokens are those below this id.
    pub fn n_plain(&self) -> usize {
        self.first_control as usize
    }

    /// The ids that end the model's turn.
    pub fn ends(&self) -> &[u32] {
        &self.ends
    }

    /// The bytes of a plain token; none for any other.
    pub fn bytes(&self, id: u32) -> &[u8] {
        self.pieces.bytes(id)
    }

    /// The text of ids; bytes that are no UTF-8 become U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let bytes: Vec<u8> = ids.iter().flat_map(|id| self.bytes(*id)).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// Text that arrives token by token, where a character may be spread over several of them.
#[derive(Debug, Clone, Default)]
pub struct Stream {
    text: String,
    held_back: Vec<u8>,
}

impl Stream {
    /// Adds the bytes of a token; those of an unfinished character are held back.
    pub fn push(&mut self, bytes: &[u8]) {
        self.held_back.extend_from_slice(bytes);
        let mut rest = self.held_back.as_slice();
        while !rest.is_empty() {
            match std::str::from_utf8(rest) {
                Ok(text) => {
                    self.text.push_str(text);
                    rest = &[];
                }
                Err(error) => {
                    let (valid, after) = rest.split_at(error.valid_up_to());
                    self.text.push_str(&String::from_utf8_lossy(valid));
                    let Some(n_bad) = error.error_len() else {
                        rest = after;
                        break;
                    };
                    self.text.push(char::REPLACEMENT_CHARACTER);
                    rest = &after[n_bad..];
                }
            }
        }
        self.held_back = rest.to_vec();
    }

    /// The whole characters so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The whole characters; a character that never became whole is dropped.
    pub fn into_text(self) -> String {
        self.text
    }
}

impl Pieces {
    fn new(plain: &[&str]) -> Result<Pieces, String> {
        let mut pieces = Pieces { bytes: Vec::new(), ends: Vec::with_capacity(plain.len()) };
        for (id, token) in plain.iter().enumerate() {
            for character in token.chars() {
                let byte =
                    byte_of(character).ok_or_else(|| format!("token {id} has a character that stands for no byte"))?;
                pieces.bytes.push(byte);
            }
            let end = u32::try_from(pieces.bytes.len()).map_err(|_| "the tokens are too long")?;
            pieces.ends.push(end);
        }
        Ok(pieces)
    }

    fn bytes(&self, id: u32) -> &[u8] {
        let idx = id as usize;
        let Some(end) = self.ends.get(idx) else {
            return &[];
        };
        let start = if idx == 0 { 0 } else { self.ends[idx - 1] };
        &self.bytes[start as usize..*end as usize]
    }
}

impl Frame {
    fn new(can_think: bool, encoder: &tokenizers::Tokenizer, control: impl Fn(&str) -> Option<u32>) -> Result<Frame> {
        let named = |name: &str| control(name).with_context(|| format!("the vocabulary has no control token `{name}`"));
        let (start, end) = (named("<|im_start|>")?, named("<|im_end|>")?);
        let opening = |role: &str| -> Result<Vec<u32>> {
            let mut ids = vec![start];
            ids.extend(encode(encoder, role)?);
            ids.extend(encode(encoder, "\n")?);
            Ok(ids)
        };
        let mut assistant = opening("assistant")?;
        if can_think {
            // An empty thought, as the publisher's own template writes it, is how thinking is turned off.
            let blank = encode(encoder, "\n\n")?;
            assistant.push(named("<think>")?);
            assistant.extend(&blank);
            assistant.push(named("</think>")?);
            assistant.extend(&blank);
        }
        let mut turn_end = vec![end];
        turn_end.extend(encode(encoder, "\n")?);
        Ok(Frame { system: opening("system")?, user: opening("user")?, assistant, turn_end })
    }
}

/// Whether the model writes down a thought first, unless it is shown an empty one. The publisher's template, which is
/// never run, has a switch for it then; models of the same family that never think have none.
fn can_think(gguf: &Gguf) -> bool {
    let has_switch = |template: &str| template.contains("enable_thinking");
    gguf.config().family != Family::Qwen2 && gguf.text("tokenizer.chat_template").is_none_or(has_switch)
}

/// How the file's text is split into words; refuses files where it is not done in one of the ways known here.
fn words(gguf: &Gguf) -> Result<&'static str> {
    const MODEL: &str = "tokenizer.ggml.model";
    const PRE: &str = "tokenizer.ggml.pre";
    match gguf.text(MODEL) {
        Some("gpt2") => (),
        Some(found) => bail!(gguf.refuse(MODEL, format!("`{found}` is not supported, `gpt2` is"))),
        None => bail!(gguf.refuse(MODEL, "it is missing")),
    }
    match gguf.text(PRE) {
        // Files from before the key existed lack it.
        None | Some("default" | "qwen2") => Ok(WORDS),
        Some("qwen35") => Ok(WORDS_WITH_MARKS),
        Some(found) => bail!(gguf.refuse(PRE, format!("`{found}` is not supported, `qwen2` and `qwen35` are"))),
    }
}

/// Byte-level BPE over the plain tokens alone.
fn encoder(gguf: &Gguf, plain: &[&str], words: &str) -> Result<tokenizers::Tokenizer> {
    const MERGES: &str = "tokenizer.ggml.merges";
    let vocabulary: Vocab = plain.iter().enumerate().map(|(id, token)| ((*token).to_owned(), id as u32)).collect();
    for byte in 0..=u8::MAX {
        let character = character_of(byte).to_string();
        if !vocabulary.contains_key(&character) {
            bail!(gguf.refuse("tokenizer.ggml.tokens", format!("no token for the byte {byte}")));
        }
    }
    let max_bytes = plain.iter().map(|token| token.len()).max().unwrap_or(0);
    let mut merges = Vec::new();
    for merge in gguf.merges()?.iter() {
        let Some((left, right)) = merge.split_once(' ') else {
            bail!(gguf.refuse(MERGES, format!("`{merge}` is not a pair")));
        };
        // The library copies the pair into a buffer of the longest token's size, and panics beyond it.
        if left.len() + right.len() > max_bytes {
            bail!(gguf.refuse(MERGES, format!("`{merge}` makes no token of the vocabulary")));
        }
        merges.push((left.to_owned(), right.to_owned()));
    }
    let model = BPE::builder().vocab_and_merges(vocabulary, merges).build();
    let model = model.map_err(|err| gguf.refuse(MERGES, err.to_string()))?;

    let words = Split::new(SplitPattern::Regex(words.into()), SplitDelimiterBehavior::Isolated, false);
    let words = words.map_err(anyhow::Error::from_boxed)?;
    let bytes = ByteLevel::new(false, false, false);
    let mut encoder = tokenizers::Tokenizer::new(model);
    encoder.with_normalizer(Some(NFC)).map_err(anyhow::Error::from_boxed)?;
    encoder.with_pre_tokenizer(Some(Sequence::new(vec![words.into(), bytes.into()])));
    Ok(encoder)
}

fn encode(encoder: &tokenizers::Tokenizer, text: &str) -> Result<Vec<u32>> {
    let encoding = encoder.encode_fast(text, false).map_err(anyhow::Error::from_boxed)?;
    let ids = encoding.get_ids();
    let n_plain = encoder.get_vocab_size(false) as u32;
    ensure!(ids.iter().all(|id| *id < n_plain), "content was encoded into a control token");
    Ok(ids.to_vec())
}

/// The character that stands for a byte in byte-level BPE vocabularies: itself where it prints, else one from
/// U+0100 on, in order.
fn character_of(byte: u8) -> char {
    match byte {
        0x00..=0x20 => char::from_u32(0x100 + u32::from(byte)),
        0x7f..=0xa0 => char::from_u32(0x121 + u32::from(byte - 0x7f)),
        0xad => char::from_u32(0x143),
        printable => Some(char::from(printable)),
    }
    .expect("all of these are characters")
}

/// The inverse of [`character_of`].
fn byte_of(character: char) -> Option<u8> {
    match u32::from(character) {
        code @ 0x100..=0x120 => Some((code - 0x100) as u8),
        code @ 0x121..=0x142 => Some((code - 0x121) as u8 + 0x7f),
        0x143 => Some(0xad),
        code @ (0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff) => Some(code as u8),
        _ => None,
    }
}

/// A word capitalised and not, at the beginning of a line and within it.
fn forms(word: &str) -> [String; 4] {
    let mut rest = word.chars();
    let (capital, small) = match rest.next() {
        Some(first) => (first.to_uppercase().to_string(), first.to_lowercase().to_string()),
        None => Default::default(),
    };
    let rest = rest.as_str();
    [format!("{capital}{rest}"), format!(" {capital}{rest}"), format!("{small}{rest}"), format!(" {small}{rest}")]
}

#[cfg(test)]
mod tests {
    use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

    use super::*;

    #[test]
    fn every_byte_has_its_own_character() {
        for byte in 0..=u8::MAX {
            assert_eq!(byte_of(character_of(byte)), Some(byte));
        }
        assert_eq!((character_of(b' '), character_of(b'\n'), character_of(b'a')), ('Ġ', 'Ċ', 'a'));
        assert_eq!(byte_of('中'), None);
    }

    #[test]
    fn a_mark_belongs_to_its_word_in_qwen35_alone() {
        let check = |words: &str, text: &str, expected: &[&str]| {
            let split = Split::new(SplitPattern::Regex(words.into()), SplitDelimiterBehavior::Isolated, false).unwrap();
            let mut text = PreTokenizedString::from(text);
            split.pre_tokenize(&mut text).unwrap();
            let found = text.get_splits(OffsetReferential::Original, OffsetType::Byte);
            assert_eq!(found.into_iter().map(|(word, ..)| word).collect::<Vec<_>>(), expected);
        };
        check(WORDS, "a हिन्दी x1", &["a", " ह", "िन", "्द", "ी", " x", "1"]);
        check(WORDS_WITH_MARKS, "a हिन्दी x1", &["a", " हिन्दी", " x", "1"]);
        for words in [WORDS, WORDS_WITH_MARKS] {
            check(words, "It's 中国。\n\nyes", &["It", "'s", " 中国", "。\n\n", "yes"]);
        }
    }

    #[test]
    fn a_character_spread_over_tokens_appears_once_it_is_whole() {
        let check = |pieces: &[&[u8]], expected: &str| {
            let mut stream = Stream::default();
            pieces.iter().for_each(|piece| stream.push(piece));
            assert_eq!(stream.into_text(), expected, "{pieces:?}");
        };
        check(&["中".as_bytes()], "中");
        check(&[&[0xe4], &[0xb8], &[0xad, b'!']], "中!");
        check(&[b"a", &[0xe4, 0xb8]], "a");
        check(&[&[0xe4], b"a"], "\u{fffd}a");
        check(&[&[0xff], &[0xf0, 0x9f, 0x91], &[0xa9]], "\u{fffd}👩");
    }
}
