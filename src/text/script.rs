//! One Han character in; its Simplified form, and the scripts that write it, out. Knows characters, no words.
//!
//! The mapping is OpenCC's, asked once for every character of the common blocks (a few milliseconds) and kept as an
//! array, because folding runs over whole folders and cannot pay for a phrase dictionary.

use std::sync::LazyLock;

use ferrous_opencc::{OpenCC, config::BuiltinConfig};
use unicode_normalization::UnicodeNormalization;

/// The Chinese scripts in which a character is at home.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Script {
    /// Written alike in both, or not a Han character.
    Both,
    /// Written in Simplified text only.
    Simplified,
    /// Written in Traditional text only, the variants of the news (説, 爲, 羣, 裏) included.
    Traditional,
}

/// The Simplified form of `c`, or `c` itself.
pub fn simplified(c: char) -> char {
    match index(c) {
        Some(i) => TABLE.simplified[i],
        None => c,
    }
}

/// The script that `c` belongs to.
pub fn script_of(c: char) -> Script {
    match index(c) {
        Some(i) => TABLE.scripts[i],
        None => Script::Both,
    }
}

/// The character that readers see in `c`, where `c` is one of those that PDF files and old fonts put in its place: a radical
/// (⽔, ⻓) for the word, a ligature (ﬁ) for its letters.
pub fn plain_form(c: char) -> Option<String> {
    match c {
        '\u{2f00}'..='\u{2fd5}' | '\u{fb00}'..='\u{fb06}' => Some(std::iter::once(c).nfkc().collect()),
        '\u{2e80}'..='\u{2ef3}' => {
            let mut pairs = RADICALS.chars();
            while let Some((radical, whole)) = pairs.next().zip(pairs.next()) {
                if radical == c {
                    return Some(whole.to_string());
                }
            }
            None
        }
        _ => None,
    }
}

/// The radicals of the CJK Radicals Supplement, each before the character that looks the same (Unicode's
/// EquivalentUnifiedIdeograph); NFKC leaves them as they are.
const RADICALS: &str = "⺁厂⺂乛⺃乚⺄乙⺅亻⺆冂⺇几⺈刀⺉刂⺊卜⺋㔾⺌小⺍小⺎兀⺏尣⺐尢⺒巳⺓幺⺔彑⺕彐⺖忄⺗心⺘扌⺙攵⺛旡⺜日⺝月⺞歺⺟母⺠民⺡氵⺢氺⺣灬⺤爫⺥爫⺦丬⺧牛⺨犭⺩王⺪疋⺫罒⺬示⺭礻⺮竹⺯糹⺰纟⺱罓⺲罒⺳网⺴网⺵网⺶羊⺷羊⺸羊⺹耂⺺肀\
⺻聿⺼肉⺽臼⺾艹⺿艹⻀艹⻁虎⻂衤⻃覀⻄西⻅见⻆角⻇角⻈讠⻉贝⻊足⻋车⻌辶⻍辶⻎辶⻏阝⻐钅⻑長⻒镸⻓长⻔门⻕阝⻖阝⻗雨⻘青⻙韦⻚页⻛风⻜飞⻝食⻞食⻟飠⻠饣⻡首⻢马⻣骨⻤鬼⻥鱼⻦鸟⻧卤⻨麦⻩黄⻪黾⻫斉⻬齐⻭歯⻮齿⻯竜⻰龙⻱龜⻲亀⻳龟";

/// Whether `c` is a Han character of the Unicode blocks in everyday use.
pub fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}' | '〇')
}

const FIRST: u32 = 0x3400;
const LAST: u32 = 0x9fff;

struct Table {
    simplified: Vec<char>,
    scripts: Vec<Script>,
}

/// Simplified characters that Traditional text uses too: merged ones (后, 里), old ones, and the printing forms that
/// Hong Kong and Taiwan prefer (户, 温, 床).
const SHARED: &str = "㐹万丑丰于云亘仆价伙余佛佣俊修僵克党冬准凌几凶出划刮制千升卜占卷厂厘只台叶吁吃合吊同后向周咨咸咽哄唇喂噪回困\
夸奸姜娘家尸局岩岳巨布帘席干幸广庵弦彩征御志念恤愈愿戚才扎托扣折拐挂挨挽据搜斗旋昆暗曲朱朴杆杠杯杰松板极柜栗核梁欲沈沾泛注涂涌淀游漓熏玩璇症\
皂矩确私秋种筑系胄胜胡腊腌膻致舍芸苔苹范荐蒙蔑虫蚝蜡蝎表谷跖辟适郁酸采里雕面溯污冢既棋呆旗糖逾飧棱捆埼查真教泄挲蓑即累糊踊\
兑叁吃囱媪悦愠户捝揾敚棁榅氲温煴痴皂秘税灶粽才唇脱腽卧葱蜕核峰么床群恒烟没强踪内吴吕体异并佩咤栖疴";

/// Traditional characters that Simplified text keeps in some words: 乾隆, 瞭望, 慰藉, 覆盖, 魏徵.
const KEPT: &str = "乾瞭藉覆阪祇薹衹徵彷牴著";

static TABLE: LazyLock<Table> = LazyLock::new(|| {
    let chars: Vec<char> = (FIRST..=LAST).filter_map(char::from_u32).collect();
    // A line break between the characters keeps phrases from forming across them.
    let lines: String = chars.iter().flat_map(|&c| [c, '\n']).collect();
    let converter = OpenCC::from_config(BuiltinConfig::T2s).expect("the dictionary is compiled into the program");
    let converted = converter.convert(&lines);
    let simplified: Vec<char> =
        converted.lines().zip(&chars).map(|(line, &c)| line.chars().next().unwrap_or(c)).collect();
    assert_eq!(simplified.len(), chars.len(), "one line a character");

    let mut scripts = vec![Script::Both; chars.len()];
    for (&c, &s) in chars.iter().zip(&simplified) {
        if c != s {
            if !KEPT.contains(c) {
                scripts[(c as u32 - FIRST) as usize] = Script::Traditional;
            }
            if let Some(i) = index(s).filter(|_| !SHARED.contains(s)) {
                scripts[i] = Script::Simplified;
            }
        }
    }
    // A character can be the plain form of one and the full form of another; then it proves nothing.
    for (i, (&c, &s)) in chars.iter().zip(&simplified).enumerate() {
        if c != s && scripts[i] == Script::Simplified {
            scripts[i] = Script::Both;
        }
    }
    Table { simplified, scripts }
});

fn index(c: char) -> Option<usize> {
    (FIRST..=LAST).contains(&(c as u32)).then(|| (c as u32 - FIRST) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_know_their_scripts() {
        let check = |chars: &str, expected: Script| {
            for c in chars.chars() {
                assert_eq!(script_of(c), expected, "{c}");
            }
        };
        check("國說説爲為羣裏裡臺線綫眾衆於發學體這們", Script::Traditional);
        check("国说为线众发学这们亿对时间电话产经", Script::Simplified);
        check("中文人民日本的是不了里后干面台只户温群床a1。、", Script::Both);
    }

    #[test]
    fn radicals_and_ligatures_are_read_as_what_they_look_like() {
        for (c, expected) in [('⽔', "水"), ('⻓', "长"), ('⻑', "長"), ('ﬁ', "fi"), ('ﬄ', "ffl"), ('⼈', "人")]
        {
            assert_eq!(plain_form(c).as_deref(), Some(expected));
        }
        assert_eq!(plain_form('水'), None);
        assert_eq!(plain_form('½'), None);
    }

    #[test]
    fn variants_meet_in_one_simplified_form() {
        for (c, expected) in
            [('説', '说'), ('說', '说'), ('爲', '为'), ('羣', '群'), ('臺', '台'), ('中', '中'), ('a', 'a')]
        {
            assert_eq!(simplified(c), expected);
        }
    }
}
