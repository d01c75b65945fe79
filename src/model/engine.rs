//! Prompts in, completions out: reads prompts, has several texts written at once, shares what was read. Knows no
//! article.
//!
//! Up to [`EngineSettings::group`] sequences are alive together. A token of each goes through the layers at once, so
//! that the weights are read from memory once for all of them; a text that has ended makes room for the next prompt.
//!
//! What a prompt finds already read, and what stands beside it, never changes its text. A row of numbers is computed
//! alike whatever stands beside it, as long as the rows are few both times, or more than few both times
//! ([`Qwen::few_rows`]); so a prompt of more than a few tokens is read more than a few at a time, however much of it
//! was read before, written tokens are read few at a time, and a prompt shares what was read of prompts alone. Where
//! rows are not computed alike (candle's products), nothing is shared or guessed, and one sequence is alive at a time.
//!
//! A sequence that is alone reads its last token together with a guess at the next ones ([`Lookup`]). The writer then
//! takes the logits after each as if they had come one by one, for as long as it writes what was guessed.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use candle_core::{Device, Tensor};

use super::cache::Cache;
use super::gguf::Gguf;
use super::kept::{Kept, Read};
use super::kv_store::{KvFolder, KvStore};
use super::lookup::Lookup;
use super::qwen::{Part, Qwen};
use super::sample::shares;
use super::tokens::Tokens;
use super::write::{Next, Writer};
use super::{Completion, Identity, LanguageModel, Limits, Prompt, Sampling, Stop, Usage};
use crate::kernel::{keep_memory, n_threads};

/// How an engine is to run.
#[derive(Debug, Clone)]
pub struct EngineSettings {
    /// Where the model is computed.
    pub device: Device,
    /// The most tokens of context to use, where the model has more; the cache grows to it only when a prompt needs it.
    pub max_context: usize,
    /// The most sequences that are written at once; 1 at least. Fewer are, when they would hold more than
    /// `max_context` tokens together, or when the kernels do not compute so many rows as one.
    pub group: usize,
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
/// more cores compute faster, but hardly read faster.
fn default_group() -> usize {
    match n_threads() {
        ..=2 => 6,
        _ => 12,
    }
}

impl Default for EngineSettings {
    fn default() -> Self {
        EngineSettings {
            device: Device::Cpu,
            max_context: DEFAULT_CONTEXT,
            group: default_group(),
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
    lookup: bool,
    kept: Kept,
    kv_store: Option<KvStore>,
}

/// A sequence that is alive.
struct Sequence {
    /// The how manieth of the prompts.
    number: usize,
    prompt: Read,
    /// For a second try.
    prompt_logits: Vec<f32>,
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
        let model = Qwen::load(&mut gguf, &settings.device, settings.max_context)
            .with_context(|| format!("failed to load `{}`", path.display()))?;
        anyhow::ensure!(
            tokens.n_frame() < model.max_len(),
            "a context of {} tokens holds nothing beside the chat frame",
            model.max_len()
        );
        let group = settings.group.clamp(1, model.few_rows().unwrap_or(1));
        let kv_folder = settings.kv_folder.filter(|_| model.few_rows().is_some());
        let kv_store = kv_folder.map(|folder| KvStore::new(folder, &identity.sha256));
        Ok(Engine {
            identity,
            model,
            tokens,
            stop: settings.stop,
            group,
            lookup: settings.lookup,
            kept: Kept::default(),
            kv_store: kv_store.transpose()?,
        })
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

    /// Whether a sequence that may come to hold `n_tokens` may be written beside those alive.
    fn has_place(&self, live: &[Sequence], n_tokens: usize) -> bool {
        let held: usize = live.iter().map(|other| other.prompt.cache.capacity()).sum();
        live.is_empty() || live.len() < self.group && held + n_tokens <= self.model.max_len()
    }

    /// Reads a prompt, and has its first token written.
    fn start(
        &mut self,
        number: usize,
        ids: Vec<u32>,
        writer: Writer,
        limits: &Limits,
        live: &[Sequence],
    ) -> Result<Sequence> {
        let started = Instant::now();
        let (prompt, logits, reused_tokens) = self.read(ids, limits.max_tokens, live)?;
        let mut sequence = Sequence {
            number,
            prompt,
            prompt_logits: logits.clone(),
            writer,
            last: 0,
            lookup: Lookup::default(),
            ended: None,
            reused_tokens,
            prefill_ms: started.elapsed().as_millis() as u64,
            decode_time: Duration::ZERO,
        };
        let started = Instant::now();
        sequence.write(&logits, &self.tokens)?;
        sequence.decode_time = started.elapsed();
        Ok(sequence)
    }

    /// Reads a prompt that `n_more` tokens may follow. Returns the logits behind it too, and how many of its tokens had
    /// been read before.
    fn read(&mut self, ids: Vec<u32>, n_more: usize, live: &[Sequence]) -> Result<(Read, Vec<f32>, usize)> {
        let mut cache = self.prefix(&ids, n_more, live)?;
        let instructions = &ids[..self.n_instructions(&ids)];
        let mut keep_in = None;
        if let Some(store) = &mut self.kv_store
            && instructions.len() > cache.len()
        {
            match store.find(instructions, self.model.cache()) {
                Some(found) => cache = found,
                None => keep_in = Some(store),
            }
        }
        let n_reused = cache.len();
        cache.reserve(ids.len() - n_reused + n_more)?;
        let logits = self.model.forward(&ids[n_reused..], &mut cache, &self.stop)?;
        if let Some(store) = keep_in {
            store.keep(instructions, &cache);
        }
        Ok((Read { ids, cache }, logits.to_vec1()?, n_reused))
    }

    /// How many tokens of a prompt are worth keeping on disk: its system turn, which the template alone makes, where
    /// it and the rest are more than a few.
    fn n_instructions(&self, ids: &[u32]) -> usize {
        let few = self.model.few_rows().unwrap_or(usize::MAX);
        let n_system = self.tokens.n_system(ids);
        match n_system.min(ids.len() - n_system) > few {
            true => n_system,
            false => 0,
        }
    }

    /// A cache with the longest beginning of a prompt that was read before.
    fn prefix(&mut self, ids: &[u32], max_tokens: usize, live: &[Sequence]) -> Result<Cache> {
        let few = self.model.few_rows().unwrap_or(usize::MAX);
        let n_shared = |other: &Read| match other.ids.len() > few {
            true => {
                let same = other.ids.iter().zip(ids).take_while(|(a, b)| a == b);
                same.count().min(ids.len().saturating_sub(few + 1))
            }
            false => 0,
        };
        let live = live.iter().map(|other| &other.prompt);
        let cache = self.kept.share(live, n_shared)?;
        let n_needed = ids.len() + max_tokens;
        self.kept.shrink(self.model.max_len().saturating_sub(n_needed));
        Ok(cache.unwrap_or_else(|| self.model.cache()))
    }

    /// Reads the token that each sequence wrote last, and has each write the next, or several of them.
    fn step(&self, live: &mut [Sequence], limits: &Limits) -> Result<()> {
        let started = Instant::now();
        let mut reads: Vec<Vec<u32>> = live.iter().map(|sequence| vec![sequence.last]).collect();
        if let [alone] = &mut *live
            && self.lookup
            && limits.sampling == Sampling::Greedy
        {
            let n_room = self.model.few_rows().unwrap_or(1) - 1;
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
        let mut first = 0;
        for (sequence, ids) in live.iter_mut().zip(&reads) {
            let logits = logits.narrow(0, first, ids.len())?;
            sequence.write_on(ids, &logits, &self.tokens)?;
            first += ids.len();
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

    /// Writes on behind the first of the ids that were just read, whose logits are (ids, vocabulary), and behind each
    /// of the others that it has then itself written. The rest of them is forgotten.
    fn write_on(&mut self, read: &[u32], logits: &Tensor, tokens: &Tokens) -> Result<()> {
        let n_held = self.prompt.cache.len() - read.len();
        let mut n_right = 0;
        while self.write(&logits.get(n_right)?.to_vec1()?, tokens)? && read.get(n_right + 1) == Some(&self.last) {
            n_right += 1;
        }
        self.prompt.cache.truncate(n_held + 1 + n_right);
        self.lookup.learn(read.len() - 1, n_right);
        Ok(())
    }

    /// Writes a token behind the one that has these logits. Returns whether it goes on from there: no, when the text
    /// has ended or begun again.
    fn write(&mut self, logits: &[f32], tokens: &Tokens) -> Result<bool> {
        let mut next = self.writer.write(logits, tokens)?;
        let goes_on = matches!(next, Next::Read(_));
        if next == Next::Again {
            self.prompt.cache.truncate(self.prompt.ids.len());
            next = self.writer.write(&self.prompt_logits, tokens)?;
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
        let (read, logits, reused_tokens) = self.read(ids, 0, &[])?;
        self.kept.push(read, self.model.max_len());
        let first = |word: &&str| -> Result<u32> {
            let ids = self.tokens.encode(word)?;
            ids.first().copied().context("a word without a token")
        };
        let firsts: Vec<u32> = words.iter().map(first).collect::<Result<_>>()?;
        let shares = shares(&logits, &firsts)?;
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
            let barred = prompt.barred.as_deref();
            let barred = barred.map(|text| self.tokens.openings(text)).transpose()?;
            let writer = Writer::new(limits, only, barred.unwrap_or_default());
            waiting.push((ids, writer));
        }
        let mut waiting = waiting.into_iter().enumerate().peekable();
        let mut live: Vec<Sequence> = Vec::new();
        let mut completions: Vec<Option<Completion>> = vec![None; prompts.len()];
        loop {
            while let Some((number, (ids, writer))) =
                waiting.next_if(|(_, (ids, _))| self.has_place(&live, ids.len() + limits.max_tokens))
            {
                live.push(self.start(number, ids, writer, limits, &live)?);
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
