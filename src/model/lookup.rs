//! The ids of one sequence in, a guess at the next ones out (prompt-lookup decoding): what stood behind the last ids
//! where they stood before. Knows no model; a guess is worth nothing until a model has checked it.
//!
//! To read a guess along with the last token costs little more than to read that token, since the weights come from
//! memory once. How long a guess is, and whether there is one, depends on how the last ones went.

/// Guesses for one sequence.
#[derive(Debug, Clone)]
pub struct Lookup {
    /// The longest guess at present.
    n_most: usize,
    /// Tokens for which no guess is made.
    n_paused: usize,
    /// Guesses in a row of which nothing was right.
    n_failed: usize,
}

/// A guess is no longer than this: with the token before it, as many rows as the kernels take at once. Two more double
/// the time.
const LONGEST: usize = 5;
/// What a guess begins with, until it is known to be any good.
const FIRST: usize = 3;
/// So many ids at least have to stand there again.
const SHORTEST_MATCH: usize = 2;
/// Of so many, more are no better.
const LONGEST_MATCH: usize = 8;
/// A guess that failed so often in a row is followed by a pause.
const PATIENCE: usize = 2;
/// The longest pause, in tokens.
const LONGEST_PAUSE: usize = 32;

impl Default for Lookup {
    fn default() -> Self {
        Lookup { n_most: FIRST, n_paused: 0, n_failed: 0 }
    }
}

impl Lookup {
    /// What may follow on `ids`, in at most `n_most` tokens: nothing, while guesses fail, or when the last ids stand
    /// nowhere else.
    pub fn guess<'a>(&mut self, ids: &'a [u32], n_most: usize) -> &'a [u32] {
        if self.n_paused > 0 {
            self.n_paused -= 1;
            return &[];
        }
        let behind = behind_match(ids);
        &behind[..behind.len().min(self.n_most).min(n_most)]
    }

    /// Learns that of a guess of `n_guessed` tokens the first `n_right` were right.
    pub fn learn(&mut self, n_guessed: usize, n_right: usize) {
        if n_guessed == 0 {
            return;
        }
        if n_right > 0 {
            self.n_failed = 0;
            self.n_most = match n_right == n_guessed {
                true => (2 * self.n_most).min(LONGEST),
                false => n_right + 1,
            };
            return;
        }
        self.n_most = FIRST - 1;
        self.n_failed += 1;
        if self.n_failed >= PATIENCE {
            self.n_paused = (1 << self.n_failed.min(8)).min(LONGEST_PAUSE);
        }
    }
}

/// What stands behind the longest match of the last ids; behind the last of several.
fn behind_match(ids: &[u32]) -> &[u32] {
    let mut best = (SHORTEST_MATCH - 1, ids.len());
    for end in (1..ids.len()).rev() {
        let pairs = ids[..end].iter().rev().zip(ids.iter().rev());
        let n_same = pairs.take(LONGEST_MATCH).take_while(|(a, b)| a == b).count();
        if n_same > best.0 {
            best = (n_same, end);
        }
    }
    &ids[best.1..]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guess_is_what_followed_the_longest_match() {
        let check = |ids: &[u32], expected: &[u32]| {
            assert_eq!(Lookup::default().guess(ids, LONGEST), expected, "{ids:?}");
        };
        check(&[1, 2, 3, 4, 5, 1, 2], &[3, 4, 5]);
        check(&[9, 1, 2, 3, 7, 1, 2, 4, 9, 1, 2], &[3, 7, 1]); // three ids match, at the first place
        check(&[1, 2, 3, 1, 2, 4, 1, 2], &[4, 1, 2]); // two match at both; the last counts
        check(&[1, 2, 3, 4, 2], &[]); // one is too few
        check(&[5, 5, 5], &[5]);
        check(&[1], &[]);
        check(&[], &[]);
    }

    #[test]
    fn guesses_grow_while_right_and_pause_while_wrong() {
        let ids: Vec<u32> = (0..20).chain(0..4).collect();
        let mut lookup = Lookup::default();
        let mut lengths = Vec::new();
        for n_right in [3, 5, 5, 2] {
            let n_guessed = lookup.guess(&ids, LONGEST).len();
            lengths.push(n_guessed);
            lookup.learn(n_guessed, n_right);
        }
        assert_eq!(lengths, [3, 5, 5, 5]);
        assert_eq!(lookup.guess(&ids, LONGEST).len(), 3);
        assert_eq!(lookup.guess(&ids, 1).len(), 1);
        let mut n_guesses = 0;
        for _ in 0..200 {
            let n_guessed = lookup.guess(&ids, LONGEST).len();
            n_guesses += usize::from(n_guessed > 0);
            lookup.learn(n_guessed, 0);
        }
        assert!((5..20).contains(&n_guesses), "{n_guesses}");
        while lookup.guess(&ids, LONGEST).is_empty() {}
        lookup.learn(2, 2);
        assert_eq!(lookup.guess(&ids, LONGEST).len(), 4);
    }
}
