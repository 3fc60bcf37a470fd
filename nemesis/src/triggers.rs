//! Asking for clips all the while: of all lengths, about moments past and present, one over the other.

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
    /// The clips that were promised.
    pub accepted: Mutex<Vec<PathBuf>>,
    /// Refusals, with how often each was said.
    pub refused: Mutex<BTreeMap<String, usize>>,
}

/// A trigger's arguments, and its distance from the trigger before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// From the trigger before it.
    pub after: Duration,
    /// Behind `supervisor trigger`.
    pub arguments: Vec<String>,
}

/// Triggers without end.
pub fn asks(seed: u64, every_ms: (u64, u64)) -> impl Iterator<Item = Ask> {
    let mut dice = Dice::new(seed, 2);
    (1_u64..).map(move |n| {
        let after = Duration::from_millis(dice.between(every_ms.0, every_ms.1));
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
        if dice.below(2) == 0 {
            say("post-ms", dice.below(2500));
        }
        if dice.below(2) == 0 {
            arguments.extend(["--label".to_owned(), format!("nemesis-{n}")]);
        }
        Ask { after, arguments }
    })
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
        let output = instance.command().and_then(|mut command| {
            Ok(command.arg("trigger").args(&ask.arguments).env("LC_ALL", "C").output()?)
        });
        let answer = match output {
            Ok(output) if output.status.success() => {
                serde_json::from_slice::<Answer>(&output.stdout).map_err(|e| format!("no JSON: {e}"))
            }
            Ok(output) => Err(said(&String::from_utf8_lossy(&output.stderr), output.status.code())),
            Err(e) => Err(e.to_string()),
        };
        match answer {
            Ok(answer) => {
                self.accepted.lock().unwrap_or_else(PoisonError::into_inner).push(answer.path.into());
            }
            Err(said) => {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner).entry(said).or_default() += 1;
            }
        }
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
        for key in ["--ago", "--pre-ms", "--post-ms", "--label"] {
            assert!(some(3).iter().any(|ask| ask.arguments.iter().any(|a| a == key)), "{key}");
        }
        assert!(some(3).iter().any(|ask| ask.arguments.is_empty()));
    }
}
