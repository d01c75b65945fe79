//! Prompts in, completions out: reads prompts, has several texts written at once, shares what was read. Knows no
//! article.
//!
//! Up to [`EngineSettings::group`] sequences are alive together. A token of each goes through the layers at once, so
//! that the weights are read from memory once for all of them; a text that has ended makes room for the next prompt.
//!
//! Where rows are computed alike in any company ([`Company::Exact`]), what a prompt finds already read and what stands
//! beside it never change its text: a prompt of more than a few tokens is read more than a few at a time, however much of
//! it was read before, written tokens are read few at a time, and a prompt shares what was read of prompts alone. Where
//! they are not ([`Company::Loose`]: candle's products, a card), the last bits of its logits depend on both, and of two
//! tokens that are as probable the one or the other may come.
//!
//! On a card, prompts are read several at a time too, and the most probable token is looked for where the logits are.
//!
//! What a recurrent layer remembers cannot be cut back to what a prompt shares with another. So states are kept at the
//! places where prompts are known to part: at the end of the system turn, where the next prompt of a call differs, and
//! where a prompt that was read before differs. What is shared with a prompt that no one knew of is read once more, and
//! kept from then on.
//!
//! A sequence that is alone reads its last token together with a guess at the next ones ([`Lookup`]). The writer then
//! takes the logits after each as if they had come one by one, for as long as it writes what was guessed.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use candle_core::Tensor;

use super::cache::Cache;
use super::gguf::Gguf;
use super::kept::{Kept, Read};
use super::kv_store::{KvFolder, KvStore};
use super::lookup::Lookup;
use super::qwen::{LOOSE_FEW, NotFinite, Part, Qwen};
use super::sample::{Row, shares};
use super::tokens::Tokens;
use super::write::{Next, Writer};
use super::{Completion, Identity, LanguageModel, Limits, Prompt, Sampling, Stop, Usage};
use crate::kernel::{Choice, Company, Compute, keep_memory, n_threads};

/// How an engine is to run.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// What the model is computed with.
    pub compute: Compute,
    /// The most tokens of context to use, where the model has more; the cache grows to it only when a prompt needs it.
    pub max_context: usize,
    /// The most sequences that are written at once, if not as many as suits what computes; 1 at least. Fewer are, when
    /// they would hold more tokens together than there is memory for, or when the kernels do not compute so many rows
    /// as one.
    pub group: Option<usize>,
    /// Whether a sequence that is alone, and not sampled, guesses its next tokens.
    pub lookup: bool,
    /// Where the instructions of prompts are kept for other processes, if anywhere.
    pub kv_folder: Option<KvFolder>,
    /// Set from elsewhere, ends the work at the next layer with
    /// [`Interrupted`](super::qwen::Interrupted).
    pub stop: Arc<AtomicBool>,
}

/// Qwen's small models read no better beyond this, and the cache of a longer prompt would outgrow the weights.
const DEFAULT_CONTEXT: usize = 8_192;

/// Reading the weights costs the same for any number of sequences, computing with them costs more for each. The kernels
/// take six at a time: on two cores six are written at three times the speed of one, and twelve no faster than six;
/// more cores compute faster, but hardly read faster. A card computes 64 rows nearly as fast as one.
fn default_group(model: &Qwen) -> usize {
    match model.card() {
        Some(_) => 64,
        None if n_threads() <= 2 => 6,
        None => 12,
    }
}

/// A prompt on a card shares with another no less than this: to copy keys and values takes a launch for each layer, in
/// whose time as many tokens are read anew.
const CARD_LEAST_SHARED: usize = 512;

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings {
            compute: Compute::default(),
            max_context: DEFAULT_CONTEXT,
            group: None,
            lookup: true,
            kv_folder: None,
            stop: Arc::default(),
        }
    }
}

/// The prompt is too long for the model's context; it was not cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the prompt has {prompt_tokens} tokens and the answer may take {max_tokens}, \
     but the context has room for {room} together"
)]
pub struct DoesNotFit {
    /// Tokens of the prompt, the chat frame taken off.
    pub prompt_tokens: usize,
    /// Tokens that the answer may take.
    pub max_tokens: usize,
    /// What [`LanguageModel::room`] says.
    pub room: usize,
}

/// A loaded model that completes prompts.
pub struct Engine {
    identity: Identity,
    model: Qwen,
    tokens: Tokens,
    stop: Arc<AtomicBool>,
    group: usize,
    /// The most tokens that the sequences alive hold together.
    max_held: usize,
    lookup: bool,
    kept: Kept,
    kv_store: Option<KvStore>,
}

/// A prompt that is to be read.
struct Waiting {
    /// The how manieth of the prompts.
    number: usize,
    ids: Vec<u32>,
    /// Tokens that the next of the prompts begins with, too.
    n_shared_with_next: usize,
    writer: Writer,
}

impl Waiting {
    /// Tokens that its sequence may come to hold.
    fn n_needed(&self, limits: &Limits) -> usize {
        self.ids.len() + limits.max_tokens
    }

    /// Tokens that it begins with as another does.
    fn n_shared(&self, other: &Waiting) -> usize {
        n_same(&self.ids, &other.ids)
    }
}

/// Tokens that both begin with.
fn n_same(a: &[u32], b: &[u32]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

/// A sequence that is alive.
struct Sequence {
    /// The how manieth of the prompts.
    number: usize,
    prompt: Read,
    /// For a second try.
    prompt_row: Row,
    /// On a card, the bits of the tokens that it may write, if not all.
    mask: Option<Tensor>,
    writer: Writer,
    /// Written, and not yet read.
    last: u32,
    lookup: Lookup,
    ended: Option<Stop>,
    reused_tokens: usize,
    prefill_ms: u64,
    /// Its share of the time in which the group was written.
    decode_time: Duration,
}

impl Engine {
    /// Checks and loads the weights file; `identity` is what the store knows about it.
    pub fn open(path: &Path, identity: Identity, settings: EngineSettings) -> Result<Engine> {
        keep_memory();
        let mut gguf = Gguf::open(path)?;
        let tokens =
            Tokens::new(&gguf).with_context(|| format!("failed to read the vocabulary of `{}`", path.display()))?;
        let model = Qwen::load(&mut gguf, &settings.compute, settings.max_context)
            .with_context(|| format!("failed to load `{}`", path.display()))?;
        anyhow::ensure!(
            tokens.n_frame() < model.max_len(),
            "a context of {} tokens holds nothing beside the chat frame",
            model.max_len()
        );
        let group = settings.group.unwrap_or_else(|| default_group(&model)).max(1);
        let (group, kv_folder) = match model.company() {
            Company::Exact { few } => (group.min(few), settings.kv_folder),
            Company::Loose => (group, None),
        };
        let kv_store = kv_folder.map(|folder| KvStore::new(folder, model.compute(), &identity.sha256));
        Ok(Engine {
            identity,
            tokens,
            stop: settings.stop,
            group,
            max_held: model.max_held()?,
            model,
            lookup: settings.lookup,
            kept: Kept::default(),
            kv_store,
        })
    }

    /// The most texts that are written at once.
    pub fn group(&self) -> usize {
        self.group
    }

    /// What computes.
    pub fn compute(&self) -> &Compute {
        self.model.compute()
    }

    /// The vocabulary.
    pub fn tokens(&self) -> &Tokens {
        &self.tokens
    }

    /// Forgets what was read before. That changes no text, only [`Usage::reused_tokens`].
    pub fn forget(&mut self) {
        self.kept.clear();
    }

    /// The first thing that went wrong since the last call with what is kept on disk. It costs time alone, no text.
    pub fn take_kv_problem(&mut self) -> Option<anyhow::Error> {
        self.kv_store.as_mut()?.take_problem()
    }

    fn check_fit(&self, prompt: &Prompt, n_prompt: usize, max_tokens: usize) -> Result<(), DoesNotFit> {
        if n_prompt.saturating_add(max_tokens) <= self.model.max_len() {
            return Ok(());
        }
        let content = [&prompt.system, &prompt.user, &prompt.lead];
        let prompt_tokens = content.iter().map(|text| self.tokens.count(text)).sum();
        Err(DoesNotFit { prompt_tokens, max_tokens, room: self.room() })
    }

    /// Whether a sequence that may come to hold `n_tokens` may be written beside those alive, and others that will hold
    /// `n_held`.
    fn has_place(&self, live: &[Sequence], n_held: usize, n_tokens: usize) -> bool {
        let held: usize = live.iter().map(|other| other.prompt.cache.capacity()).sum::<usize>() + n_held;
        live.is_empty() && n_held == 0 || live.len() < self.group && held + n_tokens <= self.max_held
    }

    /// Reads prompts, and has the first token of each written. Of several, none is begun with instructions from the disk.
    fn start(&mut self, prompts: Vec<Waiting>, limits: &Limits, live: &[Sequence]) -> Result<Vec<Sequence>> {
        let started = Instant::now();
        let mut caches = Vec::with_capacity(prompts.len());
        let mut seams = Vec::with_capacity(prompts.len());
        for Waiting { ids, n_shared_with_next, .. } in &prompts {
            let (cache, n_same) = self.prefix(ids, limits.max_tokens, live)?;
            caches.push(cache);
            seams.push([n_same, *n_shared_with_next]);
        }
        let mut reused: Vec<usize> = Vec::with_capacity(prompts.len());
        let logits = match (&prompts[..], &mut caches[..]) {
            ([alone], [cache]) => {
                let (logits, n_reused) = self.read(&alone.ids, limits.max_tokens, &seams[0], cache)?;
                reused.push(n_reused);
                logits.unsqueeze(0)?
            }
            (prompts, caches) => {
                let mut parts = Vec::with_capacity(prompts.len());
                for (Waiting { ids, .. }, cache) in prompts.iter().zip(caches) {
                    let n_reused = cache.len();
                    cache.reserve(ids.len() - n_reused + limits.max_tokens)?;
                    reused.push(n_reused);
                    parts.push(Part { ids: &ids[n_reused..], cache });
                }
                self.model.prefill(&mut parts, &self.stop)?
            }
        };
        let choices = prompts.iter().map(|prompt| self.choice(&prompt.writer, None)).collect::<Result<Vec<_>>>()?;
        let rows = self.rows(&logits, &choices)?;
        let n_new: usize = prompts.iter().zip(&reused).map(|(prompt, n_reused)| prompt.ids.len() - n_reused).sum();
        let prefill = started.elapsed();
        let mut sequences = Vec::with_capacity(prompts.len());
        for (((prompt, cache), row), n_reused) in prompts.into_iter().zip(caches).zip(rows).zip(reused) {
            let started = Instant::now();
            let Waiting { number, ids, writer, .. } = prompt;
            let share = (ids.len() - n_reused) as f64 / n_new.max(1) as f64;
            let mut sequence = Sequence {
                number,
                prompt: Read { ids, cache },
                prompt_row: row.clone(),
                mask: None,
                writer,
                last: 0,
                lookup: Lookup::default(),
                ended: None,
                reused_tokens: n_reused,
                prefill_ms: prefill.mul_f64(share).as_millis() as u64,
                decode_time: Duration::ZERO,
            };
            sequence.write(&row, &self.tokens)?;
            sequence.mask = self.choice(&sequence.writer, None)?.and_then(|choice| choice.mask);
            sequence.decode_time = started.elapsed();
            sequences.push(sequence);
        }
        Ok(sequences)
    }

    /// Reads a prompt that `n_more` tokens may follow, behind what the cache has of it, so that other prompts can go on
    /// from the `seams`. Returns the logits behind it too, and how many of its tokens had been read before.
    fn read(&mut self, ids: &[u32], n_more: usize, seams: &[usize], cache: &mut Cache) -> Result<(Tensor, usize)> {
        let instructions = &ids[..self.n_instructions(ids)];
        // Behind a mark more than a few are left, as behind what is shared.
        let n_most = ids.len().saturating_sub(self.few() + 1);
        let mut keep_in = None;
        if let Some(store) = &mut self.kv_store
            && instructions.len() > cache.len()
        {
            match store.find(instructions, self.model.cache()) {
                Some(found) => *cache = found,
                None => keep_in = Some(store),
            }
        }
        let n_reused = cache.len();
        cache.reserve(ids.len() - n_reused + n_more)?;
        [self.tokens.n_system(ids)].iter().chain(seams).for_each(|at| cache.mark(n_most.min(*at)));
        let logits = self.model.forward(&ids[n_reused..], cache, &self.stop)?;
        cache.keep();
        if let Some(store) = keep_in {
            store.keep(instructions, cache);
        }
        Ok((logits, n_reused))
    }

    /// The logits of each row, (row, vocabulary), apart. Where they lie on a card, the token that comes next is looked for
    /// there, for each row with a choice.
    fn rows(&self, logits: &Tensor, choices: &[Option<Choice>]) -> Result<Vec<Row>> {
        let mut best = vec![None; choices.len()];
        if let Some(card) = self.model.card() {
            let all: Vec<Choice> = choices.iter().map(|choice| choice.clone().unwrap_or_default()).collect();
            let chosen = card.choose(logits, &all, self.tokens.n_plain(), self.tokens.ends())?;
            for ((best, choice), id) in best.iter_mut().zip(choices).zip(chosen) {
                *best = choice.as_ref().map(|_| id.ok_or(NotFinite));
            }
        }
        best.into_iter().enumerate().map(|(idx, best)| Ok(Row { logits: logits.get(idx)?, best })).collect()
    }

    /// On a card, how the next token of a writer is to be chosen; `mask` has the bits of those that may come, where it is
    /// known already.
    fn choice(&self, writer: &Writer, mask: Option<&Tensor>) -> Result<Option<Choice>> {
        let Some(card) = self.model.card() else { return Ok(None) };
        let Some(penalty) = writer.greedy_penalty() else { return Ok(None) };
        let bits = |ids: &[u32]| {
            let mut words = vec![0u32; self.tokens.n_plain().div_ceil(32)];
            ids.iter().for_each(|id| words[*id as usize / 32] |= 1 << (id % 32));
            Tensor::new(words, card.device())
        };
        let mask = match mask {
            Some(mask) => Some(mask.clone()),
            None => writer.candidates().map(bits).transpose()?,
        };
        let seen = if penalty == 1.0 { None } else { Some((bits(writer.ids())?, penalty)) };
        Ok(Some(Choice { mask, seen }))
    }

    /// How many tokens of a prompt are worth keeping on disk: its system turn, which the template alone makes, where
    /// it and the rest are more than a few.
    fn n_instructions(&self, ids: &[u32]) -> usize {
        let n_system = self.model.seam(self.tokens.n_system(ids));
        match self.model.company() {
            Company::Exact { few } if n_system.min(ids.len() - n_system) > few => n_system,
            _ => 0,
        }
    }

    /// Of a prompt so many tokens at least are read together, and one more.
    fn few(&self) -> usize {
        match self.model.company() {
            Company::Exact { few } => few,
            Company::Loose => 0,
        }
    }

    /// A cache with the longest beginning of a prompt that was read before; and how many tokens the prompt shares with
    /// one of those, which may be more.
    fn prefix(&mut self, ids: &[u32], max_tokens: usize, live: &[Sequence]) -> Result<(Cache, usize)> {
        let few = self.few();
        let n_least = if self.model.card().is_some() { CARD_LEAST_SHARED } else { 0 };
        let n_most = ids.len().saturating_sub(few + 1);
        let n_alike = Cell::new(0);
        let n_shared = |other: &Read| {
            let n = if other.ids.len() > few { n_same(&other.ids, ids).min(n_most) } else { 0 };
            n_alike.set(n.max(n_alike.get()));
            if n < n_least { 0 } else { other.cache.reach(n) }
        };
        let live = live.iter().map(|other| &other.prompt);
        let cache = self.kept.share(live, n_shared)?;
        let n_needed = ids.len() + max_tokens;
        self.kept.shrink(self.model.max_len().saturating_sub(n_needed));
        Ok((cache.unwrap_or_else(|| self.model.cache()), n_alike.get()))
    }

    /// Reads the token that each sequence wrote last, and has each write the next, or several of them.
    fn step(&self, live: &mut [Sequence], limits: &Limits) -> Result<()> {
        let started = Instant::now();
        let mut reads: Vec<Vec<u32>> = live.iter().map(|sequence| vec![sequence.last]).collect();
        if let [alone] = &mut *live
            && self.lookup
            && limits.sampling == Sampling::Greedy
        {
            let n_room = match self.model.company() {
                Company::Exact { few } => few - 1,
                Company::Loose => LOOSE_FEW - 1,
            };
            let n_left = limits.max_tokens - alone.writer.ids().len();
            let guess = alone.guess(n_room.min(n_left - 1));
            reads[0].extend(guess);
        }
        let mut parts = Vec::with_capacity(live.len());
        for (sequence, ids) in live.iter_mut().zip(&reads) {
            let cache = &mut sequence.prompt.cache;
            parts.push(Part { ids, cache });
        }
        let logits = self.model.step(&mut parts, &self.stop)?; // (token, vocabulary)
        let mut choices = Vec::new();
        for (sequence, ids) in live.iter().zip(&reads) {
            let choice = self.choice(&sequence.writer, sequence.mask.as_ref())?;
            // What is guessed would be among the written, one more for each row.
            let fits = ids.len() == 1 || choice.as_ref().is_some_and(|choice| choice.seen.is_none());
            choices.extend(std::iter::repeat_n(choice.filter(|_| fits), ids.len()));
        }
        let mut rows = self.rows(&logits, &choices)?.into_iter();
        for (sequence, ids) in live.iter_mut().zip(&reads) {
            let own: Vec<Row> = rows.by_ref().take(ids.len()).collect();
            sequence.write_on(ids, &own, &self.tokens)?;
        }
        let share = started.elapsed() / live.len() as u32;
        live.iter_mut().for_each(|sequence| sequence.decode_time += share);
        Ok(())
    }

    /// Takes out the sequences that have ended.
    fn take_ended(&mut self, live: &mut Vec<Sequence>, completions: &mut [Option<Completion>]) {
        for sequence in live.extract_if(.., |sequence| sequence.ended.is_some()) {
            let number = sequence.number;
            completions[number] = self.finish(sequence);
        }
    }

    /// The completion of a sequence, if it has ended.
    fn finish(&mut self, sequence: Sequence) -> Option<Completion> {
        let stop = sequence.ended?;
        let usage = Usage {
            prompt_tokens: sequence.prompt.ids.len(),
            reused_tokens: sequence.reused_tokens,
            completion_tokens: sequence.writer.n_written(),
            prefill_ms: sequence.prefill_ms,
            decode_ms: sequence.decode_time.as_millis() as u64,
        };
        self.kept.push(sequence.prompt, self.model.max_len());
        Some(Completion { text: sequence.writer.into_text(stop, &self.tokens), stop, usage })
    }
}

impl Sequence {
    /// What may follow on all that there is.
    fn guess(&mut self, n_most: usize) -> Vec<u32> {
        let ids = [&self.prompt.ids, self.writer.ids()].concat();
        self.lookup.guess(&ids, n_most).to_vec()
    }

    /// Writes on behind the first of the ids that were just read, each of which has a row of logits, and behind each
    /// of the others that it has then itself written. The rest of them is forgotten.
    fn write_on(&mut self, read: &[u32], rows: &[Row], tokens: &Tokens) -> Result<()> {
        let n_held = self.prompt.cache.len() - read.len();
        let mut n_right = 0;
        while self.write(&rows[n_right], tokens)? && read.get(n_right + 1) == Some(&self.last) {
            n_right += 1;
        }
        self.prompt.cache.truncate(n_held + 1 + n_right);
        self.lookup.learn(read.len() - 1, n_right);
        Ok(())
    }

    /// Writes a token behind the one that has these logits. Returns whether it goes on from there: no, when the text
    /// has ended or begun again.
    fn write(&mut self, row: &Row, tokens: &Tokens) -> Result<bool> {
        let mut next = self.writer.write(row, tokens)?;
        let goes_on = matches!(next, Next::Read(_));
        if next == Next::Again {
            self.prompt.cache.truncate(self.prompt.ids.len());
            next = self.writer.write(&self.prompt_row, tokens)?;
        }
        match next {
            Next::Read(id) => self.last = id,
            Next::End(stop) => self.ended = Some(stop),
            Next::Again => anyhow::bail!("a first token cannot be a loop"),
        }
        Ok(goes_on)
    }
}

impl LanguageModel for Engine {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn room(&self) -> usize {
        self.model.max_len() - self.tokens.n_frame()
    }

    fn count(&self, text: &str) -> usize {
        self.tokens.count(text)
    }

    fn guess_ahead(&mut self, allowed: bool) {
        self.lookup = allowed;
    }

    fn weigh(&mut self, prompt: &Prompt, words: &[&str]) -> Result<(Vec<f64>, Usage)> {
        let started = Instant::now();
        let ids = self.tokens.frame(prompt)?;
        self.check_fit(prompt, ids.len(), 0)?;
        let prompt_tokens = ids.len();
        let (mut cache, n_same) = self.prefix(&ids, 0, &[])?;
        let (logits, reused_tokens) = self.read(&ids, 0, &[n_same], &mut cache)?;
        self.kept.push(Read { ids, cache }, self.model.max_len());
        let first = |word: &&str| -> Result<u32> {
            let ids = self.tokens.encode(word)?;
            ids.first().copied().context("a word without a token")
        };
        let firsts: Vec<u32> = words.iter().map(first).collect::<Result<_>>()?;
        let shares = shares(&logits.to_vec1::<f32>()?, &firsts)?;
        let usage = Usage {
            prompt_tokens,
            reused_tokens,
            prefill_ms: started.elapsed().as_millis() as u64,
            ..Usage::default()
        };
        Ok((shares, usage))
    }

    fn complete(&mut self, prompts: &[Prompt], limits: &Limits) -> Result<Vec<Completion>> {
        let mut waiting = Vec::with_capacity(prompts.len());
        for prompt in prompts {
            let ids = self.tokens.frame(prompt)?;
            self.check_fit(prompt, ids.len(), limits.max_tokens)?;
            let only = prompt.only.as_deref();
            let only = only.map(|text| self.tokens.vocabulary(text)).transpose()?;
            let writer = Writer::new(limits, only);
            waiting.push(Waiting { number: waiting.len(), ids, n_shared_with_next: 0, writer });
        }
        for next in 1..waiting.len() {
            waiting[next - 1].n_shared_with_next = waiting[next - 1].n_shared(&waiting[next]);
        }
        let mut waiting = waiting.into_iter().peekable();
        let mut live: Vec<Sequence> = Vec::new();
        let mut completions: Vec<Option<Completion>> = vec![None; prompts.len()];
        loop {
            while let Some(next) = waiting.next_if(|next| self.has_place(&live, 0, next.n_needed(limits))) {
                let (mut n_new, mut n_held) = (next.ids.len(), next.n_needed(limits));
                let mut prompts = vec![next];
                while let Some(next) = waiting.next_if(|next| {
                    n_new + next.ids.len() <= self.model.prefill_room()
                        && live.len() + prompts.len() < self.group
                        && self.has_place(&live, n_held, next.n_needed(limits))
                        && prompts.iter().all(|other| next.n_shared(other) < CARD_LEAST_SHARED)
                }) {
                    n_new += next.ids.len();
                    n_held += next.n_needed(limits);
                    prompts.push(next);
                }
                let started = self.start(prompts, limits, &live)?;
                live.extend(started);
                self.take_ended(&mut live, &mut completions);
            }
            if live.is_empty() {
                break;
            }
            self.step(&mut live, limits)?;
            self.take_ended(&mut live, &mut completions);
        }
        let completions: Option<Vec<Completion>> = completions.into_iter().collect();
        completions.context("a prompt was never completed")
    }
}
