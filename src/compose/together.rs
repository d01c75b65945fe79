//! Several pieces of work over one model in, each result as it comes out. Knows neither articles nor tokens.
//!
//! A model writes several texts at once for little more than the price of one. So each piece of work runs in a thread
//! of its own, with a stand-in for the model; when all of them wait for it, what they asked goes to the model in one
//! call. Whose prompts come together is chance, and shows in no text: see [`LanguageModel::complete`].

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};

use anyhow::{Context, Result};

use crate::model::{Completion, Identity, LanguageModel, Limits, Prompt, Usage};

/// Does `work` for every number below `n`, for at most `n_workers` of them at a time, and hands each result to `done`.
/// The numbers are taken in order; the results come when they are ready.
pub fn together<T: Send>(
    n: usize,
    n_workers: usize,
    lm: &mut dyn LanguageModel,
    work: impl Fn(usize, &mut dyn LanguageModel) -> T + Sync,
    done: &mut dyn FnMut(usize, T),
) {
    let n_workers = n_workers.clamp(1, n.max(1));
    if n_workers == 1 {
        (0..n).for_each(|number| done(number, work(number, lm)));
        return;
    }
    let (sender, receiver) = mpsc::channel();
    let (identity, room) = (lm.identity().clone(), lm.room());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..n_workers {
            let mut desk = Desk { identity: identity.clone(), room, sender: sender.clone() };
            let (work, next) = (&work, &next);
            scope.spawn(move || {
                let _left = Leaving(desk.sender.clone());
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= n {
                        break;
                    }
                    let result = work(number, &mut desk);
                    // Fails only when the serving side panicked: then nobody waits for the result.
                    let _ = desk.sender.send(Message::Done(number, result));
                }
            });
        }
        serve(&receiver, n_workers, lm, done);
    });
}

/// What the workers say to the one who has the model.
enum Message<T> {
    Ask(Question),
    Count(String, Sender<usize>),
    Weigh(Prompt, Vec<String>, Sender<Result<(Vec<f64>, Usage)>>),
    Done(usize, T),
    Left,
}

/// What one worker asks of the model, and where it waits for the answer.
struct Question {
    prompts: Vec<Prompt>,
    limits: Limits,
    reply: Sender<Result<Vec<Completion>>>,
}

/// Answers until all workers have left.
fn serve<T>(
    receiver: &Receiver<Message<T>>,
    mut n_workers: usize,
    lm: &mut dyn LanguageModel,
    done: &mut dyn FnMut(usize, T),
) {
    let mut waiting: Vec<Question> = Vec::new();
    while n_workers > 0 {
        // A worker whose answer cannot be delivered has panicked: its place is empty already.
        match receiver.recv().expect("this side holds no sender") {
            Message::Ask(question) => waiting.push(question),
            Message::Count(text, reply) => drop(reply.send(lm.count(&text))),
            Message::Weigh(prompt, words, reply) => {
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let _ = reply.send(lm.weigh(&prompt, &words));
            }
            Message::Done(number, result) => done(number, result),
            Message::Left => n_workers -= 1,
        }
        if !waiting.is_empty() && waiting.len() == n_workers {
            answer(std::mem::take(&mut waiting), lm);
        }
    }
}

/// Answers questions, those with the same limits in one call.
fn answer(mut questions: Vec<Question>, lm: &mut dyn LanguageModel) {
    while let Some(first) = questions.first() {
        let limits = first.limits.clone();
        let (alike, others) = questions.into_iter().partition(|q| q.limits == limits);
        let alike: Vec<Question> = alike;
        questions = others;
        let prompts: Vec<Prompt> = alike.iter().flat_map(|q| q.prompts.clone()).collect();
        match lm.complete(&prompts, &limits) {
            Ok(completions) => {
                let mut completions = completions.into_iter();
                for question in alike {
                    let own = completions.by_ref().take(question.prompts.len()).collect();
                    let _ = question.reply.send(Ok(own));
                }
            }
            // One of them is to blame: alone, the others are answered.
            Err(_) => alike.into_iter().for_each(|question| {
                let _ = question.reply.send(lm.complete(&question.prompts, &limits));
            }),
        }
    }
}

/// Stands in for the model in a worker's thread.
struct Desk<T> {
    identity: Identity,
    room: usize,
    sender: Sender<Message<T>>,
}

impl<T> LanguageModel for Desk<T> {
    fn identity(&self) -> &Identity {
        &self.identity
    }

    fn room(&self) -> usize {
        self.room
    }

    fn count(&self, text: &str) -> usize {
        let (reply, answer) = mpsc::channel();
        let _ = self.sender.send(Message::Count(text.to_owned(), reply));
        // No answer comes when the serving side panicked; a token a byte is then the safe side.
        answer.recv().unwrap_or(text.len())
    }

    fn weigh(&mut self, prompt: &Prompt, words: &[&str]) -> Result<(Vec<f64>, Usage)> {
        let (reply, answer) = mpsc::channel();
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        let _ = self.sender.send(Message::Weigh(prompt.clone(), words, reply));
        answer.recv().context("the model is gone")?
    }

    fn complete(&mut self, prompts: &[Prompt], limits: &Limits) -> Result<Vec<Completion>> {
        let (reply, answer) = mpsc::channel();
        let question = Question { prompts: prompts.to_vec(), limits: limits.clone(), reply };
        let _ = self.sender.send(Message::Ask(question));
        answer.recv().context("the model is gone")?
    }
}

/// Says that a worker has left, also when it panicked.
struct Leaving<T>(Sender<Message<T>>);

impl<T> Drop for Leaving<T> {
    fn drop(&mut self) {
        let _ = self.0.send(Message::Left);
    }
}
