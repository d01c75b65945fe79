//! A line and the sentences that it rests on in, what the line makes of their words out: a denial, a plan or a claim that is
//! told as another thing, the contrary, and who does what to whom.

use std::collections::HashSet;

use super::signs::{Mark, Member, Sign, set_of};
use super::words::{Parsed, Word};
use super::{Fault, Ground, Read, Why};
use crate::text::figures::Kind;

/// Words are taken for one from this likeness on.
const SAME: f64 = 0.5;

/// Places of the words of content in `read` that are `word`.
fn places<'a>(word: &'a Word, read: &'a Read) -> impl Iterator<Item = usize> + 'a {
    read.parsed.content().filter(|(_, other)| word.likeness(other) >= SAME).map(|(idx, _)| idx)
}

/// Whether an odd number of denials reaches the word `idx`.
fn denied(read: &Read, idx: usize) -> bool {
    read.marks.iter().filter(|mark| mark.sign == Sign::Deny && mark.scope.contains(&idx)).count() % 2 == 1
}

fn reached(read: &Read, idx: usize, signs: &[Sign]) -> bool {
    read.marks.iter().any(|mark| signs.contains(&mark.sign) && mark.scope.contains(&idx))
}

fn has(read: &Read, signs: &[Sign]) -> bool {
    read.marks.iter().any(|mark| signs.contains(&mark.sign))
}

/// What the line makes of what is denied, planned, doubted, claimed and taken back.
pub(super) fn signs(own: &Read, cites: &[usize], ground: &Ground) -> Result<(), Why> {
    let cited: Vec<&Read> = cites.iter().map(|idx| &ground.reads[*idx]).collect();
    denials(own, &cited)?;
    for read in cited.iter().filter(|read| is_told(own, read)) {
        moods(own, read, &cited)?;
    }
    ahead_of_time(own, &cited)?;
    reasons(own, &cited)?;
    years(own, cites, ground)?;
    taken_back(own, cites, ground)
}

/// Of the words that a denial of `read` reaches, and that `other` has too: how many are denied there alike, and how many not;
/// and whether its first word is, where that is told.
fn compared(mark: &Mark, read: &Read, others: &[&Read]) -> (usize, usize, Option<bool>) {
    let (mut alike, mut unlike, mut head) = (0, 0, None);
    for (nth, idx) in mark.scope.iter().enumerate() {
        let word = &read.parsed.words[*idx];
        let own = denied(read, *idx);
        let mut found =
            others.iter().flat_map(|other| places(word, other).map(|at| denied(other, at) == own)).peekable();
        if found.peek().is_none() {
            continue;
        }
        let same = found.any(|same| same);
        if nth == 0 && !word.name {
            head = Some(same);
        }
        if same { alike += 1 } else { unlike += 1 }
    }
    (alike, unlike, head)
}

/// Whether the line tells so much of a sentence that it has to tell what limits it.
fn is_told(own: &Read, read: &Read) -> bool {
    let n = read.parsed.content().count();
    let n_told = read.parsed.content().filter(|(_, word)| places(word, own).next().is_some()).count();
    4 * n_told >= n || 2 * n_told >= own.parsed.content().count()
}

fn denials(own: &Read, cited: &[&Read]) -> Result<(), Why> {
    let deny = |read: &Read| read.marks.iter().filter(|mark| mark.sign == Sign::Deny).cloned().collect::<Vec<_>>();
    for mark in deny(own) {
        let (alike, unlike, head) = compared(&mark, own, cited);
        let denies = |read: &&Read| {
            has(read, &[Sign::Deny, Sign::Undo]) || read.parsed.folded.contains(['不', '没', '未', '无'])
        };
        let undoes = cited.iter().any(denies);
        // "If the nurses reject it" denies nothing.
        if has(own, &[Sign::If]) && cited.iter().any(|read| has(read, &[Sign::If])) {
            continue;
        }
        if head != Some(true) && unlike > alike + usize::from(alike > 0) || !undoes && alike == 0 {
            return Err(Why::new(Fault::Denial, "it denies what the source does not deny"));
        }
    }
    for read in cited.iter().filter(|read| is_told(own, read)) {
        for mark in deny(read) {
            let (alike, unlike, head) = compared(&mark, read, &[own]);
            let tells = match head {
                Some(same) => !same && unlike >= alike,
                None => unlike >= 2 && unlike > alike && 2 * unlike >= mark.scope.len(),
            };
            if tells && !has(own, &[Sign::Undo]) {
                let said = read.parsed.words[mark.at.0].range.start..read.parsed.words[mark.at.1 - 1].range.end;
                return Err(Why::new(Fault::Denial, format!("it leaves out “{}”", &read.parsed.text[said])));
            }
        }
    }
    Ok(())
}

/// What in the line stands for a sign of the source.
fn accepted(sign: Sign) -> &'static [Sign] {
    use Sign::*;
    match sign {
        Will => &[Will, May, Wish, Claim, Think, If],
        May => &[May, Claim, If, Wish],
        Think => &[Think, Claim, Say, May, Wish, Will, Deny],
        Wish => &[Wish, May, Will, Claim, Think, Say, Deny],
        Claim => &[Claim, Think, Say, Undo, Deny, May],
        If => &[If, May],
        _ => &[],
    }
}

fn moods(own: &Read, read: &Read, cited: &[&Read]) -> Result<(), Why> {
    for mark in &read.marks {
        let accepted = accepted(mark.sign);
        if accepted.is_empty() {
            continue;
        }
        let told: Vec<(usize, Vec<usize>)> = mark
            .scope
            .iter()
            .enumerate()
            .filter_map(|(nth, idx)| {
                let at: Vec<usize> = places(&read.parsed.words[*idx], own).collect();
                (!at.is_empty()).then_some((nth, at))
            })
            .collect();
        let words: Vec<usize> = told.iter().flat_map(|(_, at)| at.iter().copied()).collect();
        let is_wide = matches!(mark.sign, Sign::Claim | Sign::If);
        let states = |fact: &super::facts::Fact| {
            read.facts.iter().any(|source| source.at >= mark.at.1 && fact.stated(source) >= super::facts::Stated::Bound)
        };
        let n_told = told.len() + own.facts.iter().filter(|fact| states(fact)).count();
        let n_own = own.parsed.content().count() + own.facts.len();
        let tells = match (is_wide, mark.sign) {
            (true, _) => n_told >= 2 && (5 * told.len() >= 2 * mark.scope.len() || 2 * n_told >= n_own),
            (_, Sign::Will) => !told.is_empty(),
            _ => told.iter().any(|(nth, _)| *nth < 3) && (told.len() >= 2 || mark.scope.len() <= 3),
        };
        let holds = match is_wide {
            true => has(own, accepted),
            false => words.iter().any(|idx| reached(own, *idx, accepted)),
        };
        if !tells || holds || said_plainly(&told, mark, read, cited) {
            continue;
        }
        if mark.sign == Sign::Will && !is_past(own, &words, told.len() >= 3 && 5 * told.len() >= 3 * mark.scope.len()) {
            continue;
        }
        let said = read.parsed.words[mark.at.0].range.start..read.parsed.words[mark.at.1 - 1].range.end;
        let fault = if matches!(mark.sign, Sign::Claim | Sign::Think) { Fault::Hearsay } else { Fault::Mood };
        return Err(Why::new(fault, format!("it leaves out “{}”", &read.parsed.text[said])));
    }
    Ok(())
}

/// Whether another cited sentence says the told words without any such sign.
fn said_plainly(told: &[(usize, Vec<usize>)], mark: &Mark, read: &Read, cited: &[&Read]) -> bool {
    let others = cited.iter().filter(|other| !std::ptr::eq(**other, read));
    let accepted = accepted(mark.sign);
    others.into_iter().any(|other| {
        let plain =
            |nth: &usize| places(&read.parsed.words[mark.scope[*nth]], other).any(|at| !reached(other, at, accepted));
        let n = told.iter().filter(|(nth, _)| plain(nth)).count();
        3 * n >= 2 * told.len() && n >= 2
    })
}

/// Whether the line tells the words as done: by a form of the past, or in Chinese by 已 or by no word about time at all.
fn is_past(own: &Read, words: &[usize], whole: bool) -> bool {
    let clauses: HashSet<usize> = words.iter().map(|idx| own.parsed.words[*idx].clause).collect();
    let done =
        own.marks.iter().any(|mark| mark.sign == Sign::Done && clauses.contains(&own.parsed.words[mark.at.0].clause));
    match own.parsed.han {
        true => {
            done || whole
                && !own.parsed.folded.contains(['下', '明'])
                && !own.facts.iter().any(|fact| matches!(fact.figure.kind, crate::text::figures::Kind::Date { .. }))
        }
        false => words.iter().any(|idx| own.parsed.words[*idx].past || reached(own, *idx, &[Sign::Done])),
    }
}

/// Whether the line puts off to the future what the source tells as done.
fn ahead_of_time(own: &Read, cited: &[&Read]) -> Result<(), Why> {
    const OPEN: &[Sign] = &[Sign::Will, Sign::May, Sign::Wish, Sign::Claim, Sign::Think, Sign::If];
    for mark in own.marks.iter().filter(|mark| matches!(mark.sign, Sign::Will | Sign::May)) {
        let heads = mark.scope.iter().take(3).map(|idx| &own.parsed.words[*idx]);
        let found: Vec<(&Read, usize)> = heads
            .flat_map(|word| cited.iter().flat_map(move |read| places(word, read).map(move |at| (*read, at))))
            .collect();
        let is_open =
            found.iter().any(|(read, at)| reached(read, *at, OPEN)) || cited.iter().any(|read| has(read, OPEN));
        let is_done = |(read, at): &(&Read, usize)| match read.parsed.han {
            true => read
                .marks
                .iter()
                .any(|m| m.sign == Sign::Done && read.parsed.words[m.at.0].clause == read.parsed.words[*at].clause),
            false => read.parsed.words[*at].past || reached(read, *at, &[Sign::Done]),
        };
        if !is_open && found.iter().any(is_done) {
            return Err(Why::new(Fault::Mood, "it tells as to come what the source tells as done"));
        }
    }
    Ok(())
}

/// Whether the line gives as a reason what the cited sentence that says most of it does not give as one.
fn reasons(own: &Read, cited: &[&Read]) -> Result<(), Why> {
    for mark in own.marks.iter().filter(|mark| mark.sign == Sign::Cause) {
        let told = |read: &Read| {
            let words = mark.scope.iter().map(|idx| &own.parsed.words[*idx]);
            words.filter(|word| places(word, read).next().is_some()).count()
        };
        let most = cited.iter().map(|read| told(read)).max().unwrap_or(0);
        if !cited.iter().any(|read| told(read) == most && has(read, &[Sign::Cause, Sign::Ground])) {
            let said = own.parsed.words[mark.at.0].range.start..own.parsed.words[mark.at.1 - 1].range.end;
            let said = &own.parsed.text[said];
            return Err(Why::new(Fault::Cause, format!("the source gives no reason where this has “{said}”")));
        }
    }
    Ok(())
}

/// Whether the line leaves out the year of a sentence that tells of another one than its article is of.
fn years(own: &Read, cites: &[usize], ground: &Ground) -> Result<(), Why> {
    const BEFORE: [&str; 12] =
        ["last", "previous", "previously", "earlier", "ago", "before", "then", "去年", "前年", "此前", "曾", "当时"];
    if own.parsed.words.iter().any(|word| BEFORE.contains(&&*word.folded)) {
        return Ok(());
    }
    let of = |idx: usize| {
        let years = ground.reads[idx].facts.iter().filter_map(|fact| match fact.figure.kind {
            Kind::Date { year: Some(year), .. } => Some((year, fact.figure.range())),
            _ => None,
        });
        years.collect::<Vec<_>>()
    };
    let own_words: Vec<&Word> = own.parsed.content().map(|(_, w)| w).filter(|w| !ground.is_asked(w)).collect();
    for idx in cites.iter().copied() {
        let read = &ground.reads[idx];
        let n_told = own_words.iter().filter(|word| places(word, read).next().is_some()).count();
        let heads = (ground.n_text..ground.reads.len()).filter(|head| ground.is_one_article(idx, *head));
        let now: Vec<u16> = heads.flat_map(of).map(|(year, _)| year).collect();
        let theirs = of(idx);
        let is_told = |year: u16| {
            now.contains(&year)
                || own
                    .facts
                    .iter()
                    .any(|fact| matches!(fact.figure.kind, Kind::Date { year: Some(own), .. } if own == year))
                || ground.asked_text.contains(&year.to_string())
        };
        if let [(_, range), ..] = &theirs[..]
            && !now.is_empty()
            && 2 * n_told > own_words.len()
            && theirs.iter().all(|(year, _)| !is_told(*year))
        {
            let year = &read.parsed.text[range.clone()];
            return Err(Why::new(Fault::Day, format!("it leaves out that this was in “{year}”")));
        }
    }
    Ok(())
}

/// Whether the line tells what the source, or the sentence behind it, takes back.
fn taken_back(own: &Read, cites: &[usize], ground: &Ground) -> Result<(), Why> {
    const BACK: [&str; 9] = ["this", "that", "these", "those", "该", "此", "这", "这一", "上述"];
    if has(own, &[Sign::Undo, Sign::Deny]) {
        return Ok(());
    }
    for idx in cites {
        let read = &ground.reads[*idx];
        let next =
            ground.reads.get(idx + 1).filter(|_| idx + 1 < ground.n_text && ground.is_one_article(*idx, idx + 1));
        let undone = |read: &Read| read.marks.iter().any(|mark| mark.sign == Sign::Undo);
        // The next sentence takes back "this figure", or "the study" that the sentence tells of.
        let undone_next = |next: &Read| {
            let words = &next.parsed.words;
            let points = |at: usize| {
                let noun = words[at + 1..].iter().find(|word| word.content);
                let is_told = || noun.is_some_and(|noun| places(noun, read).next().is_some());
                match BACK.contains(&&*words[at].folded) {
                    true => at == 0 || words[at].folded != "that",
                    false => {
                        words[at].folded == "the" && is_told() || next.parsed.han && words[at].content && is_told()
                    }
                }
            };
            let undoing = next.marks.iter().filter(|mark| mark.sign == Sign::Undo);
            let reach = |mark: &Mark| (0..mark.at.0.min(2)).chain(mark.at.1..(mark.at.1 + 2).min(words.len()));
            undoing.into_iter().any(|mark| reach(mark).any(|at| at + 1 < words.len() && points(at)))
        };
        let n_told = read.parsed.content().filter(|(_, word)| places(word, own).next().is_some()).count();
        let n = read.parsed.content().count();
        if 3 * n_told >= n && (undone(read) || next.is_some_and(undone_next)) {
            return Err(Why::new(Fault::Hearsay, "it leaves out that this was taken back"));
        }
    }
    Ok(())
}

/// Whether the line has another member of a contrast than the sentences that it rests on.
pub(super) fn contrasts(own: &Read, cites: &[usize], ground: &Ground, is_foreign: bool) -> Result<(), Why> {
    let cited: Vec<&Read> = cites.iter().map(|idx| &ground.reads[*idx]).collect();
    for member in &own.members {
        let set = set_of(member);
        // Titles are held beside their names; in another language all that can be asked is whether there is such a title.
        if set.name == "role" && !is_foreign {
            continue;
        }
        let is_denied = |read: &Read, member: &Member| denied(read, member.at.0);
        let own_denied = is_denied(own, member);
        let same = |read: &&Read| {
            read.members.iter().filter(|other| other.set == member.set).any(|other| {
                let is_same = other.member == member.member;
                is_same || set.pair && is_denied(read, other) != own_denied
            })
        };
        let other =
            |read: &&Read| read.members.iter().any(|other| other.set == member.set && other.member != member.member);
        let key = &own.parsed.words[member.at.0].key;
        let stands = member.at.1 == member.at.0 + 1
            && cited.iter().any(|read| read.parsed.words.iter().any(|word| word.key == *key));
        if stands || cited.iter().any(same) {
            continue;
        }
        if set.strict && !ground.reads.iter().any(|read| same(&read)) || cited.iter().any(other) {
            let range = own.parsed.words[member.at.0].range.start..own.parsed.words[member.at.1 - 1].range.end;
            let written = own.parsed.text[range.clone()].to_owned();
            let rivals: HashSet<&str> = cited
                .iter()
                .flat_map(|read| read.members.iter().map(move |m| (read, m)))
                .filter(|(_, m)| m.set == member.set)
                .map(|(read, m)| {
                    &read.parsed.text[read.parsed.words[m.at.0].range.start..read.parsed.words[m.at.1 - 1].range.end]
                })
                .collect();
            let repair = match rivals.iter().collect::<Vec<_>>()[..] {
                [one] if set.name == "weekday" => {
                    Some(format!("{}{one}{}", &own.parsed.text[..range.start], &own.parsed.text[range.end..]))
                }
                _ => None,
            };
            return Err(Why {
                repair,
                ..Why::new(Fault::Contrast, format!("“{written}” is not what the source says"))
            });
        }
    }
    Ok(())
}

/// Whether somebody does in the line what is done to them in the source.
pub(super) fn directions(own: &Read, cites: &[usize], ground: &Ground) -> Result<(), Why> {
    let is_said = |idx: usize| own.marks.iter().any(|mark| mark.sign == Sign::Say && mark.at.0 == idx);
    let is_noun = |idx: usize| idx > 0 && own.parsed.words[idx - 1].folded == "的";
    for (idx, word) in
        own.parsed.content().filter(|(idx, word)| (word.verb || word.past) && !is_noun(*idx) && !is_said(*idx))
    {
        let (before, after) = sides(&own.parsed, idx);
        let (mut crossed, mut straight) = (false, false);
        for read in cites.iter().map(|idx| &ground.reads[*idx]) {
            for at in places(word, read) {
                let (source_before, source_after) = sides(&read.parsed, at);
                let within = |i: &usize, there: &[usize]| {
                    let word = &own.parsed.words[*i];
                    there.iter().any(|j| word.likeness(&read.parsed.words[*j]) >= 0.8)
                };
                let only = |i: &usize, here: &[usize], there: &[usize]| within(i, here) && !within(i, there);
                let agent_turned = before.iter().any(|i| only(i, &source_after, &source_before));
                let patient_turned = after.iter().any(|i| only(i, &source_before, &source_after));
                straight |= before.iter().rev().take(3).any(|i| only(i, &source_before, &source_after));
                // Of "the management offered the nurses" "the nurses offered the management" has one side in another clause.
                let elsewhere = || before.iter().any(|i| places(&own.parsed.words[*i], read).next().is_some());
                let next = after.first().zip(source_before.last());
                let taken = next.is_some_and(|(i, j)| within(i, &[*j]) && !within(i, &source_after)) && elsewhere();
                let given = before.last().zip(source_after.first());
                let given = given.is_some_and(|(i, j)| within(i, &[*j]) && !within(i, &source_before))
                    && after.first().is_some_and(|i| own.parsed.words[*i].name);
                crossed |= agent_turned && patient_turned || taken || given;
            }
        }
        if crossed && !straight {
            let verb = &own.parsed.text[word.range.clone()];
            return Err(Why::new(Fault::Direction, format!("it turns round who “{verb}” whom")));
        }
    }
    Ok(())
}

/// Who does, and to whom: the words of content on both sides of the verb `idx` in its clause; a passive is turned round.
fn sides(parsed: &Parsed, idx: usize) -> (Vec<usize>, Vec<usize>) {
    let words = &parsed.words;
    let clause = words[idx].clause;
    let near = |range: std::ops::Range<usize>| -> Vec<usize> {
        range
            .filter(|i| words[*i].content && words[*i].clause == clause && (words[*i].name || !words[*i].past))
            .collect()
    };
    let mut before = near(idx.saturating_sub(8)..idx);
    if before.is_empty() {
        // "The mayor of Halden, Odd Kvist, took …": who does it stands before an insertion.
        let all = (0..idx).filter(|i| words[*i].content && (words[*i].name || !words[*i].past));
        before = all.take(8).collect();
    }
    let after = near(idx + 1..(idx + 9).min(words.len()));
    if parsed.han {
        // 甲被乙打: what stands before 被 is done to.
        let by = (0..idx)
            .rev()
            .find(|i| words[*i].clause == clause && ["被", "遭", "获", "受"].contains(&&*words[*i].folded));
        let taken = (0..idx).rev().find(|i| words[*i].clause == clause && ["把", "将"].contains(&&*words[*i].folded));
        let to = (0..idx).rev().find(|i| words[*i].clause == clause && ["向", "给"].contains(&&*words[*i].folded));
        return match (by.filter(|_| to.is_none()), taken.or(to)) {
            (Some(by), _) => {
                let (patient, agent) = before.into_iter().partition(|i| *i < by);
                (agent, [patient, after].concat())
            }
            (_, Some(taken)) => {
                let (agent, patient): (Vec<usize>, Vec<usize>) = before.into_iter().partition(|i| *i < taken);
                (agent, [patient, after].concat())
            }
            _ => (before, after),
        };
    }
    let is = (idx.saturating_sub(3)..idx)
        .any(|i| ["is", "are", "was", "were", "be", "been", "being", "get", "got"].contains(&&*words[i].folded));
    let by = (idx + 1..(idx + 9).min(words.len())).find(|i| words[*i].folded == "by" && words[*i].clause == clause);
    match (words[idx].past, is, by) {
        (true, true, Some(by)) => (after.into_iter().filter(|i| *i > by).collect(), before),
        (true, true, None) => (Vec::new(), before),
        (true, false, Some(by)) if by == idx + 1 => (after, before),
        _ => (before, after),
    }
}
