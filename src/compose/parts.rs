//! A question in, the questions that it asks at once out. "Who wrote it, and when?" has two answers, which may stand in
//! two articles; a small model points at one of them.
//!
//! The form of a question tells whether it may ask several things, the model takes it apart, in the words of the
//! question alone, and what it wrote counts only if it is a division: nothing is added, nothing is lost, and no part
//! asks all that another one does.

use std::collections::BTreeSet;

use anyhow::Result;

use super::prose::in_script;
use super::question::{asks_for_words, lang_of, names_its_answer};
use super::{Answer, AnswerPlan, Claim};
use crate::corpus::Hit;
use crate::corpus::terms::terms;
use crate::model::{LanguageModel, Limits, Usage};
use crate::text::fold::fold_str;
use crate::text::script::is_han;

/// A question that asks for more than this is not taken apart.
const MOST_PARTS: usize = 4;
/// Tokens of all parts together at the most; a question of more than half of them is not taken apart.
const TOKENS: usize = 160;
/// What parts stand between in the model's line.
const MARK: char = '|';
/// Words that a part may have though the question has them not: what it asks by.
const ASKING: &str = "是谁什么哪多少几何时 who what when which is are was were did does do";
/// What joins parts, and is in none of them.
const JOINING: &str = "和与及以跟分别各都的 both respectively";

/// The questions that one asks.
pub struct Parts {
    /// In the order of the question; itself alone, where it asks for one thing.
    pub questions: Vec<String>,
    cost: Usage,
}

impl Parts {
    /// Takes `question` apart.
    pub fn of(question: &str, lm: &mut dyn LanguageModel, plan: &AnswerPlan) -> Result<Parts> {
        let mut parts = Parts { questions: vec![question.to_owned()], cost: Usage::default() };
        if !may_have_parts(question) || lm.count(question) > TOKENS / 2 {
            return Ok(parts);
        }
        let lang = lang_of(question);
        let values = [("question", question)];
        let mut prompt = plan.prompts.render("parts", lang, &values)?;
        prompt.only = Some(format!("{question}|?|{ASKING}"));
        let limits = Limits { max_tokens: TOKENS, one_line: true, sampling: plan.sampling };
        let completion = lm.complete(&[prompt], &limits)?.remove(0);
        parts.cost = completion.usage;
        let division: Vec<String> = completion.text.split(MARK).map(|part| in_script(part.trim(), lang)).collect();
        if is_division(question, &division) {
            parts.questions = division;
        }
        Ok(parts)
    }

    /// One answer of the answers to the parts, which come in their order.
    pub fn join(self, answers: Vec<Answer>) -> Answer {
        let mut parts = self.questions.into_iter().zip(answers);
        let (first, mut whole) = parts.next().expect("a question has a part");
        if !whole.found() {
            whole.missing.push(first);
        }
        for (question, answer) in parts {
            if !answer.found() {
                whole.missing.push(question);
            }
            let places: Vec<usize> = answer.passages.into_iter().map(|hit| whole.place(hit)).collect();
            for claim in answer.claims {
                // One sentence may answer two parts.
                if whole.claims.iter().all(|told| !says_again(told, &claim)) {
                    whole.claims.push(claim.among(&places));
                }
            }
            whole.dropped.extend(answer.dropped);
            whole.usage += answer.usage;
        }
        whole.usage += self.cost;
        if !whole.found() {
            // All of the question is missing.
            whole.missing.clear();
        }
        whole
    }
}

impl Answer {
    /// The place of a passage among those that were read; it is added, if it is not there.
    fn place(&mut self, hit: Hit) -> usize {
        let is_same = |other: &Hit| other.passage == hit.passage;
        self.passages.iter().position(is_same).unwrap_or_else(|| {
            self.passages.push(hit);
            self.passages.len() - 1
        })
    }
}

/// Whether a claim rests on what another one rests on, and says hardly anything else.
fn says_again(told: &Claim, claim: &Claim) -> bool {
    let rests = claim.cites().iter().all(|own| told.cites().iter().any(|quote| quote.text == own.text));
    let [told, own] = [told, claim].map(|claim| terms(claim.text()).into_iter().collect::<BTreeSet<String>>());
    rests && 4 * own.difference(&told).count() <= own.len()
}

/// Whether the form of a question allows that it asks several things.
fn may_have_parts(question: &str) -> bool {
    const CHINESE: [char; 5] = ['和', '与', '及', '跟', '、'];
    let folded = fold_str(question);
    // "Who wrote it, and when?"
    let clauses = folded.split([',', ';', '?']);
    let n_asking = clauses.filter(|clause| asks_for_words(clause)).count();
    let is_joined = match folded.contains(is_han) {
        true => folded.contains(CHINESE) || folded.contains("分别"),
        false => joins_what_is_asked(question),
    };
    (is_joined || n_asking > 1) && !names_its_answer(question)
}

/// Whether an English question joins names, or else things that are asked about. "What country has low taxes and high
/// wages?" does not: one country has both, and so no auxiliary stands between what is asked for and the rest.
fn joins_what_is_asked(question: &str) -> bool {
    const AUXILIARIES: [&str; 11] = ["is", "are", "was", "were", "do", "does", "did", "will", "can", "could", "would"];
    /// In "and in what year".
    const DISTANCE: usize = 2;
    let words: Vec<&str> = question.split(|c: char| !c.is_alphanumeric()).collect();
    let Some(and) = words.iter().position(|word| *word == "and") else {
        return false;
    };
    let (before, behind) = (&words[..and], &words[and + 1..]);
    let is_name =
        |word: Option<&&str>| word.is_some_and(|word| word.starts_with(|c: char| c.is_uppercase() || c.is_numeric()));
    is_name(before.last()) && is_name(behind.first())
        || words.contains(&"respectively")
        || before.iter().any(|word| AUXILIARIES.contains(word))
        || behind.iter().take(DISTANCE).any(|word| asks_for_words(word))
}

/// Whether `parts` together ask what `question` asks, and each something of its own.
fn is_division(question: &str, parts: &[String]) -> bool {
    if !(2..=MOST_PARTS).contains(&parts.len()) {
        return false;
    }
    let whole = units(question);
    let (asking, joining) = (units(ASKING), units(JOINING));
    // "The canal is by Rask" is no part of who it is by; "the builder of the canal" is one of who that is.
    let asks = |text: &str| asks_for_words(&fold_str(text));
    let n_asking = parts.iter().filter(|part| asks(part)).count();
    let all_ask = n_asking == parts.len();
    let all_name = n_asking == 0 && (!asks(question) || asks_for_what_is_named(question));
    if !all_ask && !all_name {
        return false;
    }
    let parts: Vec<BTreeSet<String>> = parts.iter().map(|part| units(part)).collect();
    let is_new = |unit: &String| !whole.contains(unit) && !asking.contains(unit);
    let is_lost = |unit: &&String| !parts.iter().any(|part| part.contains(*unit));
    let asks_more =
        |part: &BTreeSet<String>, other: &BTreeSet<String>| part.difference(other).any(|unit| !asking.contains(unit));
    !parts.iter().flatten().any(is_new)
        && whole.difference(&joining).filter(is_lost).all(|unit| asking.contains(unit))
        && parts.iter().enumerate().all(|(i, part)| {
            let mut others = parts.iter().enumerate().filter(|(j, _)| i != *j);
            others.all(|(_, other)| asks_more(part, other))
        })
}

/// Whether a Chinese question names something and asks who or what it is, so that the name alone asks the same.
fn asks_for_what_is_named(question: &str) -> bool {
    const FORMS: [&str; 7] = ["分别", "是谁", "是什么", "是多少", "是哪", "是何", "是几"];
    let folded = fold_str(question);
    FORMS.iter().any(|form| folded.contains(form))
}

/// What a question is made of: stems of Latin words, numbers, and Chinese characters.
fn units(text: &str) -> BTreeSet<String> {
    let folded = fold_str(text);
    let mut units = BTreeSet::new();
    let mut spaced = String::new();
    let mut before = None;
    for c in folded.chars() {
        if is_han(c) {
            units.insert(c.to_string());
        }
        // "NBA2021" is a name and a year.
        if before.is_some_and(|before: char| before.is_numeric() != c.is_numeric()) {
            spaced.push(' ');
        }
        spaced.push(c);
        before = Some(c);
    }
    units.extend(terms(&spaced).into_iter().filter(|term| !term.contains(is_han)));
    units
}

#[cfg(test)]
mod tests {
    use super::*;

    fn divides(question: &str, parts: &[&str]) -> bool {
        let parts: Vec<String> = parts.iter().map(|part| (*part).to_owned()).collect();
        is_division(question, &parts)
    }

    #[test]
    fn a_division_asks_the_same_in_parts_of_their_own() {
        for (question, parts) in [
            (
                "Who built the bridges at Halden and Vessin?",
                ["Who built the bridge at Halden?", "Who built the bridge at Vessin?"],
            ),
            ("Who wrote Far Hills, and when?", ["Who wrote Far Hills?", "When was Far Hills written?"]),
            ("哈登大桥和韦辛大桥分别是谁建造的?", ["哈登大桥是谁建造的?", "韦辛大桥是谁建造的?"]),
            ("ORC2011和2012的舉辦地", ["ORC2011的舉辦地", "ORC2012的舉辦地"]),
            ("《远山》是谁写的?什么时候出版?", ["《远山》是谁写的?", "《远山》什么时候出版?"]),
        ] {
            assert!(may_have_parts(question), "{question}");
            let is_verb = question.contains("wrote");
            assert_eq!(divides(question, &parts), !is_verb, "{question}");
        }
    }

    #[test]
    fn what_adds_loses_or_repeats_is_no_division() {
        let question = "Who built the bridges at Halden and Vessin?";
        let halden = "Who built the bridge at Halden?";
        for parts in [
            &[halden][..],
            &[halden, halden],
            &[halden, "Who built the bridge at Orrin?"],
            &[halden, "Who built the bridges at Halden and Vessin?"],
            &["Who built at Halden?", "Who built at Vessin?"],
            &[halden, ""],
        ] {
            assert!(!divides(question, parts), "{parts:?}");
        }
        // The model has answered, or told what the question tells.
        let question = "草繩與簑衣都是用什麼來作的?";
        assert!(!divides(question, &["草繩是用來作的", "簑衣是用來作的"]));
        assert!(divides(question, &["草繩是用什麼來作的", "簑衣是用什麼來作的"]));
        let question = "1921年布爾什維克接管了哪裡以及亞美尼亞?";
        assert!(!divides(question, &["1921年布爾什維克接管了哪裡", "亞美尼亞"]));
    }

    #[test]
    fn most_questions_ask_for_one_thing_by_their_form() {
        for question in [
            "Who built the bridge?",
            "Did Rask and Holm build the bridge?",
            "Was it Rask or Holm who built the bridge and the quay?",
            "哈登大橋是誰建造的?",
            "哈登和韦辛哪个更大?",
            "What country has low taxes and high wages?",
            "722年,哈登屬於哪個州?",
        ] {
            assert!(!may_have_parts(question), "{question}");
        }
    }
}
