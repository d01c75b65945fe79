//! Ranked lists of passages in, one list of hits out: fused by rank, neighbours joined, copies collapsed, and no
//! article and no language alone among the first. Knows no index.

use std::collections::HashMap;
use std::hash::Hash;

use super::passage::weigh;
use super::{Hit, Passage};
use crate::text::Lang;
use crate::text::fold::fold_str;

/// What a rank is added to before it is inverted: reciprocal rank fusion (<https://doi.org/10.1145/1571941.1572114>),
/// which has 60; recall is flat from 20 on.
const RANK_OFFSET: f32 = 20.0;
/// Neighbouring passages are joined up to this weight, as [`weigh`] counts.
const MAX_JOINED_WEIGHT: usize = 700;
/// Characters of the runs that two texts are compared by.
const SHINGLE_CHARS: usize = 5;
/// Texts that share this much of their runs are the same.
const MIN_LIKENESS: f64 = 0.9;

/// One thing found, with what it counts for in its list.
pub(super) struct Ranked<T> {
    pub(super) what: T,
    /// How many things of its list are better.
    pub(super) rank: usize,
    /// How much its list is to be trusted about it, 0 to 1.
    pub(super) weight: f32,
}

/// Fuses lists by rank, the best first: what stands high in several lists stands highest.
pub(super) fn fuse<T: Copy + Eq + Hash + Ord>(lists: impl IntoIterator<Item = Ranked<T>>) -> Vec<(f32, T)> {
    let mut scores: HashMap<T, f32> = HashMap::new();
    for ranked in lists {
        *scores.entry(ranked.what).or_default() += ranked.weight / (RANK_OFFSET + ranked.rank as f32);
    }
    let mut fused: Vec<(f32, T)> = scores.into_iter().map(|(what, score)| (score, what)).collect();
    fused.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    fused
}

/// Takes the best hits until there are `top_k`, each joined with those of its neighbours that are also good and named
/// with those that say the same.
///
/// No article has more than half of the places, and where hits are in several languages, no language more than three
/// quarters, as long as there are others to take.
pub(super) fn select(hits: Vec<Hit>, top_k: usize) -> Vec<Hit> {
    let mut chosen = Chosen::default();
    let is_chinese = |hit: &Hit| hit.passage.lang != Lang::En;
    let several_languages = hits.iter().any(is_chinese) && !hits.iter().all(is_chinese);
    let most_of_article = top_k.div_ceil(2);
    let most_of_language = if several_languages { top_k - top_k / 4 } else { top_k };
    let mut crowd = Vec::new();
    for hit in hits {
        if let Some(hit) = chosen.absorb(hit) {
            let count = |same: &dyn Fn(&Hit) -> bool| chosen.hits.iter().filter(|(other, _)| same(other)).count();
            let crowded = count(&|other| other.passage.path == hit.passage.path) >= most_of_article
                || count(&|other| is_chinese(other) == is_chinese(&hit)) >= most_of_language;
            match crowded {
                true => crowd.push(hit),
                false if chosen.hits.len() < top_k => chosen.add(hit),
                false => {}
            }
        }
    }
    for hit in crowd {
        if chosen.hits.len() < top_k {
            chosen.add(hit);
        }
    }
    let mut hits: Vec<Hit> = chosen.hits.into_iter().map(|(hit, _)| hit).collect();
    hits.sort_by(|a, b| b.score.total_cmp(&a.score));
    hits
}

/// Hits with what each passage in them is compared by.
#[derive(Default)]
struct Chosen {
    hits: Vec<(Hit, Vec<Print>)>,
}

impl Chosen {
    fn add(&mut self, hit: Hit) {
        let print = print(&hit.passage);
        self.hits.push((hit, vec![print]));
    }

    /// Joins a hit with its like or its neighbour; gives it back if there is none.
    fn absorb(&mut self, hit: Hit) -> Option<Hit> {
        let own = print(&hit.passage);
        for (earlier, parts) in &mut self.hits {
            let is_same = parts.iter().any(|part| part.is_like(&own));
            if is_same {
                let is_new = earlier.passage.path != hit.passage.path && !earlier.also.contains(&hit.passage.path);
                if is_new {
                    earlier.also.push(hit.passage.path);
                }
                return None;
            }
            if can_join(&earlier.passage, &hit.passage) {
                extend(&mut earlier.passage, hit.passage);
                parts.push(own);
                return None;
            }
        }
        Some(hit)
    }
}

fn can_join(a: &Passage, b: &Passage) -> bool {
    let end = |passage: &Passage| passage.first_sentence + passage.sentences.len();
    let weight = |passage: &Passage| passage.sentences.iter().map(|sentence| weigh(&sentence.text)).sum::<usize>();
    a.path == b.path
        && a.sha256 == b.sha256
        && (end(a) == b.first_sentence || end(b) == a.first_sentence)
        && weight(a) + weight(b) <= MAX_JOINED_WEIGHT
}

fn extend(passage: &mut Passage, neighbour: Passage) {
    if neighbour.first_sentence < passage.first_sentence {
        passage.first_sentence = neighbour.first_sentence;
        passage.sentences.splice(0..0, neighbour.sentences);
    } else {
        passage.sentences.extend(neighbour.sentences);
    }
}

fn print(passage: &Passage) -> Print {
    let text: Vec<&str> = passage.sentences.iter().map(|sentence| &*sentence.text).collect();
    Print::of(&text.join(" "))
}

/// What texts are compared by, in any script, width and case.
pub struct Print {
    /// Hashes of the runs of a few letters, sorted, each once.
    shingles: Vec<u32>,
    /// Numbers and negations, in order: where one of them differs, two texts do not say the same.
    decisive: Vec<String>,
}

impl Print {
    /// The print of a text.
    pub fn of(text: &str) -> Print {
        let text = fold_str(text);
        let letters: Vec<u32> = text.chars().filter(|c| c.is_alphanumeric()).map(u32::from).collect();
        let hash = |run: &[u32]| {
            let mix = |hash: u32, c: &u32| (hash ^ c).wrapping_mul(0x0100_0193); // FNV-1a
            run.iter().fold(0x811c_9dc5, mix)
        };
        let length = SHINGLE_CHARS.min(letters.len().max(1));
        let mut shingles: Vec<u32> = letters.windows(length).map(hash).collect();
        shingles.sort_unstable();
        shingles.dedup();
        let is_number = |c: char| c.is_numeric() || "零〇一二三四五六七八九十百千万亿两".contains(c);
        let numbers = text.split(|c| !is_number(c)).filter(|run| !run.is_empty());
        let negations = text.split(|c: char| !c.is_alphanumeric() && c != '\'');
        let negations = negations
            .filter(|word| matches!(*word, "no" | "not" | "never" | "without" | "cannot") || word.ends_with("n't"));
        let chinese = text.matches(['不', '没', '未', '无', '非']);
        let decisive = numbers.chain(negations).chain(chinese).map(str::to_owned).collect();
        Print { shingles, decisive }
    }

    /// Whether two texts say the same, nearly word for word.
    pub fn is_like(&self, other: &Print) -> bool {
        let (a, b) = (&self.shingles, &other.shingles);
        // So different in size, they cannot be alike.
        if (a.len().min(b.len()) as f64) < MIN_LIKENESS * a.len().max(b.len()) as f64 {
            return false;
        }
        let n_common = a.iter().filter(|hash| b.binary_search(hash).is_ok()).count();
        n_common as f64 >= MIN_LIKENESS * (a.len() + b.len() - n_common) as f64 && self.decisive == other.decisive
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::corpus::PassageSentence;

    fn hit(path: &str, first_sentence: usize, lang: Lang, text: &str, score: f32) -> Hit {
        let passage = Passage {
            path: path.into(),
            sha256: path.into(),
            title: None,
            byline: None,
            date: None,
            lang,
            first_sentence,
            sentences: vec![PassageSentence { start: 0, end: text.len(), text: text.into(), is_piece: false }],
        };
        Hit { passage, score, also: Vec::new() }
    }

    fn paths(hits: &[Hit]) -> Vec<&str> {
        hits.iter().map(|hit| &*hit.passage.path).collect()
    }

    #[test]
    fn what_two_lists_name_comes_before_what_one_names() {
        let list = |names: &[char], weight| -> Vec<Ranked<char>> {
            let ranked = |(rank, what): (usize, &char)| Ranked { what: *what, rank, weight };
            names.iter().enumerate().map(ranked).collect()
        };
        let order = |lists: Vec<Ranked<char>>| -> String { fuse(lists).into_iter().map(|(_, what)| what).collect() };
        assert_eq!(
            order([list(&['a', 'b', 'c'], 1.0), list(&['d', 'c'], 1.0)].into_iter().flatten().collect()),
            "cadb"
        );
        assert_eq!(order([list(&['a', 'b'], 0.1), list(&['c', 'd'], 1.0)].into_iter().flatten().collect()), "cdab");
        assert_eq!(order(vec![]), "");
    }

    #[test]
    fn copies_are_one_hit_that_names_all_its_sources() {
        let text = "The ferry to the outer islands sails again from Monday, said the harbour master of Corran.";
        let edited = text.replace("Monday", "monday —");
        let hits = vec![
            hit("a", 0, Lang::En, text, 5.0),
            hit("b", 3, Lang::En, &edited, 4.0),
            hit("c", 0, Lang::En, "Another thing happened on the quay of Dunmere in the early hours of Sunday.", 3.0),
            hit("b", 7, Lang::En, text, 2.0),
        ];
        let found = select(hits, 5);
        assert_eq!(paths(&found), ["a", "c"]);
        assert_eq!(found[0].also, ["b"]);
        let scripts = vec![
            hit("t", 0, Lang::ZhHant, "渡輪星期一起再次開往外島，港務長說。", 2.0),
            hit("s", 0, Lang::ZhHans, "渡轮星期一起再次开往外岛，港务长说。", 1.0),
        ];
        assert_eq!(select(scripts, 5)[0].also, ["s"]);
    }

    #[test]
    fn texts_that_differ_in_a_number_or_a_negation_are_no_copies() {
        let long = "The regional council of Corran met on the quay to hear what the engineers had found below.";
        for (a, b) in [
            ("It voted 7 to 2.", "It voted 9 to 2."),
            ("It was moved.", "It was not moved."),
            ("死者三人。", "死者五人。"),
            ("他来了。", "他没来。"),
        ] {
            let n_found = |a: &str, b: &str| {
                let text = |end: &str| format!("{} {end}", long.repeat(3));
                let hits = vec![hit("a", 0, Lang::En, &text(a), 2.0), hit("b", 0, Lang::En, &text(b), 1.0)];
                select(hits, 5).len()
            };
            assert_eq!(n_found(a, b), 2, "{a} {b}");
            assert_eq!(n_found(a, a), 1, "{a}");
        }
    }

    #[test]
    fn no_article_and_no_language_crowds_out_the_rest() {
        let english = |i: usize, path: &str| {
            hit(path, 10 * i, Lang::En, &format!("{i}{i}{i} {}", "word ".repeat(i + 1)), 100.0 - i as f32)
        };
        let chinese =
            |i: usize| hit(&format!("z{i}"), 0, Lang::ZhHans, &["云", "山", "水"][i].repeat(9), 10.0 - i as f32);
        let one_article = |i| english(i, "a");
        let many = |i: usize| english(i, &format!("e{i}"));

        let hits = (0..6).map(one_article).chain((6..8).map(many)).collect();
        assert_eq!(paths(&select(hits, 4)), ["a", "a", "e6", "e7"]);
        assert_eq!(select((0..6).map(one_article).collect(), 4).len(), 4, "there is nothing else to take");

        let hits: Vec<Hit> = (0..10).map(many).chain((0..3).map(chinese)).collect();
        assert_eq!(paths(&select(hits.clone(), 8)), ["e0", "e1", "e2", "e3", "e4", "e5", "z0", "z1"]);
        assert_eq!(paths(&select(hits[..10].to_vec(), 3)), ["e0", "e1", "e2"]);
        assert_eq!(paths(&select(hits, 1)), ["e0"]);
    }
}
