//! Asking for clips all the while: of all lengths, about moments past and present, one over the other; some begun and ended, some
//! extended while they are recorded.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rig::dice::Dice;
use rig::instance::{Answer, Instance};

/// The answers so far.
#[derive(Debug, Default)]
pub struct Triggers {
    /// Triggers that were asked.
    pub asked: AtomicUsize,
    /// The clips that were promised, each with the id of the trigger that it was promised to.
    pub accepted: Mutex<Vec<(PathBuf, String)>>,
    /// Triggers that were begun.
    pub begun: AtomicUsize,
    /// Begun triggers that were ended.
    pub ended: AtomicUsize,
    /// Triggers that were extended.
    pub extended: AtomicUsize,
    /// Refusals, with how often each was said.
    pub refused: Mutex<BTreeMap<String, usize>>,
}

/// A trigger's arguments, and its distance from the trigger before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// From the trigger before it.
    pub after: Duration,
    /// Its id.
    pub id: String,
    /// Behind `supervisor trigger`, beside its id.
    pub arguments: Vec<String>,
    /// The request that follows once it is accepted, if one does.
    pub then: Option<Then>,
}

/// A word on a trigger that was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Then {
    /// From its answer.
    pub after: Duration,
    /// The word.
    pub word: Word,
    /// Behind `supervisor trigger`.
    pub arguments: Vec<String>,
}

/// A word on a trigger.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It is ended.
    End,
    /// It gets a later end.
    Extend,
}

/// Triggers without end.
pub fn asks(seed: u64, every_ms: (u64, u64)) -> impl Iterator<Item = Ask> {
    let mut dice = Dice::new(seed, 2);
    (1_u64..).map(move |n| {
        let after = Duration::from_millis(dice.between(every_ms.0, every_ms.1));
        let (id, kind) = (format!("nemesis-{seed}-{n}"), dice.below(6));
        let ago = [0, 0, dice.below(200)][usize::try_from(dice.below(3)).unwrap_or(0)];
        let mut arguments = Vec::new();
        let mut say = |key: &str, value: u64| arguments.extend([format!("--{key}"), value.to_string()]);
        if ago > 0 {
            say("ago", ago);
        }
        // As it is in the config, for most.
        if dice.below(3) == 0 {
            say("pre-ms", dice.below(500));
        }
        // A begun trigger has the post-roll that its end brings.
        if dice.below(2) == 0 && kind != BEGUN {
            say("post-ms", dice.below(2500));
        }
        if dice.below(2) == 0 {
            arguments.extend(["--label".to_owned(), format!("nemesis-{n}")]);
        }
        if kind == BEGUN {
            arguments.push("--begin".to_owned());
        }
        let then = then(&mut dice, kind, &id);
        Ask { after, id, arguments, then }
    })
}

/// Of so many kinds of triggers these are begun …
const BEGUN: u64 = 0;
/// … and these are extended.
const EXTENDED: u64 = 1;

/// The word that follows on a trigger.
fn then(dice: &mut Dice, kind: u64, id: &str) -> Option<Then> {
    let mut arguments = Vec::new();
    let mut say = |word: &[&str]| arguments.extend(word.iter().map(|word| (*word).to_owned()));
    let (most_ms, word) = match kind {
        BEGUN => {
            say(&["--end", id]);
            match dice.below(3) {
                0 => say(&["--ago", &dice.below(400).to_string()]),
                1 => say(&["--post-ms", &dice.below(800).to_string()]),
                _ => {}
            }
            (2500, Word::End)
        }
        EXTENDED => {
            say(&["--extend", id, &dice.between(1, 1500).to_string()]);
            (600, Word::Extend)
        }
        _ => return None,
    };
    Some(Then { after: Duration::from_millis(dice.below(most_ms)), word, arguments })
}

impl Triggers {
    /// Asks until it is told to end, and waits for the last answers.
    pub fn run(&self, instance: &Instance, seed: u64, every_ms: (u64, u64), over: &AtomicBool) {
        std::thread::scope(|scope| {
            for ask in asks(seed, every_ms) {
                std::thread::sleep(ask.after);
                if over.load(Ordering::Relaxed) {
                    return;
                }
                self.asked.fetch_add(1, Ordering::Relaxed);
                // A trigger waits while the supervisor stands still. Others must be asked meanwhile.
                scope.spawn(move || self.ask(instance, &ask));
            }
        });
    }

    fn ask(&self, instance: &Instance, ask: &Ask) {
        let with_id = [&ask.arguments[..], &["--id".to_owned(), ask.id.clone()]].concat();
        let Some(answer) = self.answer(instance, &with_id) else { return };
        let promised = (answer.path.into(), ask.id.clone());
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).push(promised);
        let Some(then) = &ask.then else { return };
        let is_begun = then.word == Word::End;
        self.begun.fetch_add(usize::from(is_begun), Ordering::Relaxed);
        std::thread::sleep(then.after);
        // A refusal costs nothing: a begun trigger ends by itself, and one that has ended is not extended any more.
        if self.answer(instance, &then.arguments).is_some() {
            let count = if is_begun { &self.ended } else { &self.extended };
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn answer(&self, instance: &Instance, arguments: &[String]) -> Option<Answer> {
        let output = instance.command().and_then(|mut command| {
            Ok(command.arg("trigger").args(arguments).env("LC_ALL", "C").output()?)
        });
        let answer = match output {
            Ok(output) if output.status.success() => {
                serde_json::from_slice::<Answer>(&output.stdout).map_err(|e| format!("no JSON: {e}"))
            }
            Ok(output) => Err(said(&String::from_utf8_lossy(&output.stderr), output.status.code())),
            Err(e) => Err(e.to_string()),
        };
        let refuse = |said: &String| {
            *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(said.clone()).or_default() +=
                1;
        };
        answer.inspect_err(refuse).ok()
    }
}

/// A refusal, without what is different each time.
fn said(stderr: &str, code: Option<i32>) -> String {
    let code = code.map_or("killed with everyone else".to_owned(), |code| format!("exit code {code}"));
    let words = [
        "clips are open already",
        "no supervisor is running",
        "did not answer",
        "stopping",
        "the rings reach back",
        "has no frame",
        "has ended",
        "no trigger",
        "after the moment",
    ];
    match words.into_iter().find(|words| stderr.contains(words)) {
        Some(words) => format!("{code}: {words}"),
        None => {
            format!("{code}: {}", stderr.lines().last().unwrap_or_default()).trim_end_matches(": ").to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_asks_the_same() {
        let some = |seed| asks(seed, (100, 900)).take(100).collect::<Vec<_>>();
        assert_eq!(some(3), some(3));
        assert_ne!(some(3), some(4));
        for key in ["--ago", "--pre-ms", "--post-ms", "--label", "--begin"] {
            assert!(some(3).iter().any(|ask| ask.arguments.iter().any(|a| a == key)), "{key}");
        }
        assert!(some(3).iter().any(|ask| ask.arguments.is_empty()));
        for ask in some(3) {
            let is_begun = ask.arguments.iter().any(|a| a == "--begin");
            assert_eq!(is_begun, ask.then.as_ref().is_some_and(|then| then.word == Word::End), "{ask:?}");
            assert!(ask.then.is_none_or(|then| then.arguments.contains(&ask.id)));
        }
        assert!(some(3).iter().flat_map(|ask| &ask.then).any(|then| then.word == Word::Extend));
    }
}
