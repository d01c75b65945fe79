//! Bytes in, text and the name of its charset out. Knows charsets and file signatures; knows nothing of what the text says.
//!
//! The order of trust: a byte order mark, valid UTF-8, the charset that a web page declares, then a detector made for
//! the web, whose answer is weighed against plain Chinese when Chinese bytes are short or ambiguous.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{BIG5, Encoding, GB18030, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::script::{is_han, plain_form};
use super::{Decoded, Format, Refusal};

/// The largest source that is read, in bytes. Beyond it an article is surely something else.
pub const MAX_BYTES: usize = 16 << 20;

/// How much of a source the charset is guessed from, in bytes.
const SAMPLE: usize = 64 << 10;

/// `bytes` as text. Malformed sequences become U+FFFD and are counted; binary, empty and oversized sources are refused.
pub fn decode(bytes: &[u8], format: Format) -> Result<Decoded, Refusal> {
    if bytes.len() > MAX_BYTES {
        return Err(Refusal::TooLarge { bytes: bytes.len(), limit: MAX_BYTES });
    }
    decode_large(bytes, format)
}

/// The same for what holds more than one article, and may be larger.
pub fn decode_large(bytes: &[u8], format: Format) -> Result<Decoded, Refusal> {
    if let Some(what) = signature(bytes) {
        return Err(Refusal::Binary { what });
    }
    let (bytes, n_nuls) = without_nuls(bytes).ok_or(Refusal::Binary { what: "data with NUL bytes" })?;
    let encoding = charset(&bytes, format).ok_or(Refusal::Binary { what: "data with NUL bytes" })?;
    let text = levelled(encoding.decode_with_bom_removal(&bytes).0);
    // The author's own U+FFFD counts too: either way a reader meets a hole.
    let replaced = text.matches('\u{fffd}').count() + n_nuls;
    let chars = text.chars().count();
    let controls =
        text.chars().filter(|&c| c.is_control() && !matches!(c, '\n' | '\r' | '\t' | '\u{c}' | '\u{1b}')).count();
    if (controls + replaced) * 10 > chars && controls + replaced > 4 {
        return Err(Refusal::Binary { what: "mostly control characters or bytes of no charset" });
    }
    if text.trim().is_empty() {
        return Err(Refusal::Empty);
    }
    Ok(Decoded { text, encoding: encoding.name(), replaced })
}

/// The bytes of a text without the few NULs that a broken disk or program left in it, and how many runs of them there
/// were; none when there are so many that it is no text. Those of UTF-16 belong to it.
fn without_nuls(bytes: &[u8]) -> Option<(Cow<'_, [u8]>, usize)> {
    if !bytes.contains(&0) || Encoding::for_bom(bytes).is_some() || utf16_without_mark(bytes).is_some() {
        return Some((Cow::Borrowed(bytes), 0));
    }
    let mut runs: Vec<&[u8]> = bytes.split(|&byte| byte == 0).collect();
    let padding = runs.len() - runs.iter().rposition(|run| !run.is_empty()).map_or(0, |last| last + 1);
    runs.truncate(runs.len() - padding);
    runs.retain(|run| !run.is_empty());
    let kept: usize = runs.iter().map(|run| run.len()).sum();
    if kept == 0 || runs.len() * 100 > kept + 200 {
        return None;
    }
    // Between letters a NUL most often stands for a blank.
    let is_letter = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let mut out = Vec::with_capacity(kept + runs.len());
    for run in &runs {
        if is_letter(out.last()) && is_letter(run.first()) {
            out.push(b' ');
        }
        out.extend_from_slice(run);
    }
    Some((Cow::Owned(out), runs.len() - 1 + usize::from(padding > 0)))
}

/// Text with the characters in it that only look like others as those others.
fn levelled(text: Cow<'_, str>) -> String {
    if !text.contains(|c| matches!(c, '\u{2e80}'..='\u{2fd5}' | '\u{fb00}'..='\u{fb06}')) {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match plain_form(c) {
            Some(plain) => out.push_str(&plain),
            None => out.push(c),
        }
    }
    out
}

/// What kind of binary file begins with these bytes.
fn signature(bytes: &[u8]) -> Option<&'static str> {
    const SIGNATURES: &[(&[u8], &str)] = &[
        (b"%PDF-", "a PDF document"),
        (b"PK\x03\x04", "a ZIP archive or office document"),
        (b"\x89PNG\r\n", "a PNG image"),
        (b"\xff\xd8\xff", "a JPEG image"),
        (b"GIF87a", "a GIF image"),
        (b"GIF89a", "a GIF image"),
        (b"RIFF", "a RIFF file (sound, video or image)"),
        (b"\x7fELF", "a program"),
        (b"MZ\x90\0", "a program"),
        (b"\x1f\x8b", "gzip data"),
        (b"BZh9", "bzip2 data"),
        (b"\xfd7zXZ\0", "xz data"),
        (b"\x28\xb5\x2f\xfd", "zstd data"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        (b"Rar!\x1a", "a RAR archive"),
        (b"SQLite format 3\0", "an SQLite database"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "an old office document"),
        (b"GGUF", "a model file"),
        (b"OggS", "an Ogg file"),
        (b"ID3", "an MP3 file"),
        (b"{\\rtf", "a rich text document"),
    ];
    SIGNATURES.iter().find(|(magic, _)| bytes.starts_with(magic)).map(|&(_, what)| what)
}

/// The charset of `bytes`; none when NUL bytes say that it is no text.
fn charset(bytes: &[u8], format: Format) -> Option<&'static Encoding> {
    if let Some((encoding, _)) = Encoding::for_bom(bytes) {
        return Some(encoding);
    }
    if bytes.contains(&0) {
        return utf16_without_mark(bytes);
    }
    if nearly_utf8(bytes) {
        return Some(UTF_8);
    }
    let sample = &bytes[..bytes.len().min(SAMPLE)];
    if format == Format::Html
        && let Some(declared) = declared_charset(bytes)
        && errors(declared, sample) * 50 <= sample.len()
        && declared != UTF_8
    {
        return Some(declared);
    }
    Some(detect(sample))
}

/// UTF-8, allowing for a few broken sequences among many good ones: a clipping cut in mid-character, one stray byte.
fn nearly_utf8(bytes: &[u8]) -> bool {
    let mut good = 0usize;
    let mut bad = 0usize;
    for chunk in bytes.utf8_chunks() {
        good += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        bad += usize::from(!chunk.invalid().is_empty());
    }
    bad == 0 || bad * 20 <= good
}

/// Which UTF-16 it is: of text in Latin letters every other byte is NUL, of Chinese read rightly many characters are common.
/// None when the NULs have another cause.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    let sample = &bytes[..bytes.len().min(SAMPLE) & !1];
    let nuls_at = |parity: usize| sample.iter().skip(parity).step_by(2).filter(|&&b| b == 0).count();
    let nuls = [(UTF_16LE, nuls_at(1), nuls_at(0)), (UTF_16BE, nuls_at(0), nuls_at(1))];
    let is_utf16 = |&(encoding, high, low): &(&'static Encoding, usize, usize)| {
        let is_latin = high > low * 20 && high * 4 > sample.len();
        (is_latin || chinese_score(encoding, sample) > 0.1) && errors(encoding, sample) * 50 <= sample.len()
    };
    nuls.iter().find(|it| is_utf16(it)).map(|it| it.0)
}

/// The charset that a page declares in its first 4 KiB: `<meta charset=…>`, its older form, or an XML declaration.
fn declared_charset(bytes: &[u8]) -> Option<&'static Encoding> {
    let head = bytes[..bytes.len().min(4096)].to_ascii_lowercase();
    let mut rest = &head[..];
    while let Some(at) = find(rest, b"<meta").or_else(|| find(rest, b"<?xml")) {
        let tag_end = rest[at..].iter().position(|&b| b == b'>').map_or(rest.len(), |n| at + n);
        let tag = &rest[at..tag_end];
        let value = find(tag, b"charset=").map(|n| &tag[n + 8..]);
        let value = value.or_else(|| find(tag, b"encoding=").map(|n| &tag[n + 9..]));
        if let Some(value) = value {
            let label: Vec<u8> = value
                .iter()
                .copied()
                .skip_while(|b| b.is_ascii_whitespace() || matches!(b, b'"' | b'\''))
                .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b':'))
                .collect();
            if let Some(encoding) = Encoding::for_label(&label) {
                return Some(encoding);
            }
        }
        rest = &rest[tag_end..];
    }
    None
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|w| w == needle)
}

/// The detector's answer, unless the bytes read as much better Chinese in one of the two Chinese charsets.
///
/// Big5 bytes are often valid GB18030 and the reverse; what tells them apart in a few hundred bytes is that the right
/// reading is full of the commonest characters and the wrong one of rare ones.
fn detect(sample: &[u8]) -> &'static Encoding {
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(sample, true);
    let guess = detector.guess(None, Utf8Detection::Deny);

    let (gb, big5) = (chinese_score(GB18030, sample), chinese_score(BIG5, sample));
    let (best, score) = if gb >= big5 { (GB18030, gb) } else { (BIG5, big5) };
    let is_chinese = [encoding_rs::GBK, GB18030, BIG5].contains(&guess);
    if score > 0.08 {
        return best;
    }
    match guess {
        _ if is_chinese => guess,
        _ if errors(guess, sample) * 20 > sample.len() => WINDOWS_1252,
        _ => guess,
    }
}

/// How much `sample` looks like Chinese news when read as `encoding`: the share of the commonest characters among all
/// that are not ASCII, less a penalty for what does not decode. Common Chinese text scores 0.15 and more.
fn chinese_score(encoding: &'static Encoding, sample: &[u8]) -> f64 {
    // The commonest characters and marks of news in both scripts.
    const COMMON: &str = "的一是在不了有和人這这中大為为上個个國国我以要他時时來来用們们生到作地於于出就分對对成會会可主發发年動动同工也\
能下過过子說说產产種种面而方後后多定行學学法所民得經经十三之進进着等部度家電电力里如水化高自二理起小物現现實实加量都兩两體体制機机當当使點点從从業业本\
去把性好應应開开它合還还因由其些然前外天政四日那社義义事平形相全表間间樣样與与關关各重新線线內内數数正心反你明看原又麼么利比或但質质氣气第向道命此變变條条\
只沒没結结解問问意建月公無无系軍军很情者最立代想已通並并提直題题黨党程展五果料象員员革位入常文總总次品式活設设及管特件長长求老頭头基資资邊边流路級级少圖\
图山統统接知較较將将組组見见計计別别她手角期根論论運运農农指幾几九區区強强放決决西被乾干做必戰战先回則则任取據据處处隊队南給给色光門门即保治北造百規规\
，。、：；「」『』《》（）？！“”…—";
    let (text, _) = encoding.decode_without_bom_handling(sample);
    let mut common = 0usize;
    let mut han = 0usize;
    let mut wrong = 0usize;
    let mut total = 0usize;
    for c in text.chars().filter(|c| !c.is_ascii()) {
        total += 1;
        han += usize::from(is_han(c));
        common += usize::from(COMMON.contains(c));
        wrong += usize::from(c == '\u{fffd}' || matches!(c, '\u{e000}'..='\u{f8ff}'));
    }
    if total < 4 || han * 2 < total {
        return 0.0;
    }
    (common as f64 - 3.0 * wrong as f64) / total as f64
}

/// How many sequences of `sample` do not decode; one cut off by the sample's end is forgiven.
fn errors(encoding: &'static Encoding, sample: &[u8]) -> usize {
    let (text, _) = encoding.decode_without_bom_handling(sample);
    let cut = usize::from(text.ends_with('\u{fffd}'));
    text.matches('\u{fffd}').count() - cut
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANS: &str = "临江镇今年修复了三座石桥,全部工程在九月底完成。镇长表示,资金来自省里和居民捐款。";
    const HANT: &str = "臨江鎮今年修復了三座石橋,全部工程在九月底完成。鎮長表示,資金來自省裡和居民捐款。";

    fn encoded(encoding: &'static Encoding, text: &str) -> Vec<u8> {
        let (bytes, _, lossy) = encoding.encode(text);
        assert!(!lossy);
        bytes.into_owned()
    }

    fn utf16(text: &str, big_endian: bool, mark: bool) -> Vec<u8> {
        mark.then_some(0xfeff)
            .into_iter()
            .chain(text.encode_utf16())
            .flat_map(|u| if big_endian { u.to_be_bytes() } else { u.to_le_bytes() })
            .collect()
    }

    #[test]
    fn charsets_are_recognized() {
        let check = |bytes: &[u8], text: &str, encoding: &str| {
            let decoded = decode(bytes, Format::Plain).unwrap();
            assert_eq!((decoded.text.as_str(), decoded.encoding, decoded.replaced), (text, encoding, 0));
        };
        check(HANS.as_bytes(), HANS, "UTF-8");
        check(format!("\u{feff}{HANT}").as_bytes(), HANT, "UTF-8");
        check(&utf16(HANS, false, true), HANS, "UTF-16LE");
        check(&utf16(HANT, true, true), HANT, "UTF-16BE");
        check(&utf16("A town by the water.\n", false, false), "A town by the water.\n", "UTF-16LE");
        check(&utf16("A town by the water.\n", true, false), "A town by the water.\n", "UTF-16BE");
        check(&encoded(GB18030, HANS), HANS, "gb18030");
        check(&encoded(BIG5, HANT), HANT, "Big5");
        let accents = "Le café a coûté 3 £ à Besançon, et c’était déjà trop cher.";
        check(&encoded(WINDOWS_1252, accents), accents, "windows-1252");
    }

    #[test]
    fn short_chinese_clippings_are_not_mistaken() {
        for (hans, hant) in [
            ("这座城市有三十万人", "這座城市有三十萬人"),
            ("公司表示明年不会裁员", "公司表示明年不會裁員"),
            ("他说:「我们要回家。」", "他說:「我們要回家。」"),
        ] {
            assert_eq!(decode(&encoded(GB18030, hans), Format::Plain).unwrap().text, hans);
            assert_eq!(decode(&encoded(BIG5, hant), Format::Plain).unwrap().text, hant);
            // Traditional text in GBK is common too.
            assert_eq!(decode(&encoded(GB18030, hant), Format::Plain).unwrap().text, hant);
        }
    }

    #[test]
    fn a_declared_charset_is_believed_where_it_decodes() {
        let page = |label: &str, bytes: Vec<u8>| {
            let mut page =
                format!("<html><head><meta http-equiv=Content-Type content=\"text/html; charset={label}\"></head><p>")
                    .into_bytes();
            page.extend(bytes);
            decode(&page, Format::Html).unwrap()
        };
        let latin2 = Encoding::for_label(b"iso-8859-2").unwrap();
        assert!(page("iso-8859-2", encoded(latin2, "Łódź")).text.ends_with("Łódź"));
        assert_eq!(page("gb2312", encoded(GB18030, HANS)).encoding, "GBK");
        // A page that claims UTF-8 and is not.
        assert!(page("utf-8", encoded(GB18030, HANS)).text.ends_with(HANS));
        // And one that claims a Chinese charset but is UTF-8.
        assert_eq!(page("big5", HANT.into()).encoding, "UTF-8");
    }

    #[test]
    fn broken_sequences_are_counted() {
        let mut bytes = HANS.as_bytes().to_vec();
        bytes.truncate(bytes.len() - 1);
        let decoded = decode(&bytes, Format::Plain).unwrap();
        assert_eq!((decoded.encoding, decoded.replaced), ("UTF-8", 1));
    }

    #[test]
    fn what_is_no_text_is_refused() {
        let refusal = |bytes: &[u8]| decode(bytes, Format::Plain).unwrap_err().to_string();
        assert!(refusal(b"%PDF-1.7 ...").contains("PDF"));
        assert!(refusal(b"\x89PNG\r\n\x1a\n").contains("PNG"));
        assert!(refusal(b"text\0with\0nul bytes").contains("NUL"));
        assert!(refusal(&[1, 2, 3, 4, 5, 6, 7, 8]).contains("control"));
        assert!(refusal(b" \r\n\t ").contains("empty"));
        assert!(refusal(b"").contains("empty"));
        let noise: Vec<u8> = (0..4000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
        assert!(decode(&noise, Format::Plain).is_err());
        let huge = vec![b'a'; MAX_BYTES + 1];
        assert!(refusal(&huge).contains("16777217"));
    }
}
