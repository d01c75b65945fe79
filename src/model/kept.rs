//! Prompts that were read in, the longest beginning that a new one shares with them out. Knows tokens and caches; knows
//! no weights and no text.

use anyhow::Result;

use super::cache::Cache;

/// Prompts that are kept for what follows: one of each kind that a question needs.
const N_KEPT: usize = 4;

/// A prompt whose keys and values a cache begins with.
pub(super) struct Read {
    pub(super) ids: Vec<u32>,
    pub(super) cache: Cache,
}

/// The last prompts whose texts ended, the latest last.
#[derive(Default)]
pub(super) struct Kept(Vec<Read>);

impl Kept {
    /// Keeps a prompt, and of the older ones as many as hold no more than `max_tokens` with it.
    pub(super) fn push(&mut self, mut read: Read, max_tokens: usize) {
        // What was written behind the prompt, and states that nobody can go on from, serve no other prompt.
        read.cache.truncate(read.cache.reach(read.ids.len()));
        self.0.push(read);
        self.shrink(max_tokens);
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// A cache with the longest beginning, as `n_shared` counts it, of one of the `live` prompts or of those kept; `None`
    /// where nothing is shared. A prompt that is shared for the most part is given away, of others a copy is made.
    pub(super) fn share<'a>(
        &mut self,
        live: impl Iterator<Item = &'a Read>,
        n_shared: impl Fn(&Read) -> usize,
    ) -> Result<Option<Cache>> {
        let alive = live.max_by_key(|read| n_shared(read));
        let n_alive = alive.map_or(0, &n_shared);
        let numbered = self.0.iter().map(&n_shared).enumerate();
        let (best, n_kept) = numbered.max_by_key(|(_, n)| *n).unwrap_or_default();
        Ok(match alive {
            Some(read) if n_alive > n_kept => Some(read.cache.fork(n_alive)?),
            _ if n_kept == 0 => None,
            _ if 2 * n_kept < self.0[best].ids.len() => Some(self.0[best].cache.fork(n_kept)?),
            _ => {
                let mut cache = self.0.remove(best).cache;
                cache.truncate(n_kept);
                Some(cache)
            }
        })
    }

    /// Forgets the oldest, until there are few and the others have memory for no more than `max_tokens` together.
    pub(super) fn shrink(&mut self, max_tokens: usize) {
        let held = |kept: &[Read]| kept.iter().map(|read| read.cache.capacity()).sum::<usize>();
        while self.0.len() > N_KEPT || held(&self.0) > max_tokens {
            self.0.remove(0);
        }
    }
}
