//! Whose a plan is: ours to record, nobody's any more, or another instance's, which alone can record it from its rings.
//! Pure; the rule is in `docs/decisions/instances.md`.

use proto::origin::Origin;

/// The answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// This instance's own, or nobody's: it is taken on.
    Free,
    /// Another instance's: it is left alone.
    Anothers(Why),
}

/// The reason why a plan is another's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It was made on another machine.
    Machine,
    /// Its instance runs.
    Runs,
    /// Its instance doesn't run, but its rings still hold frames for the clip: once it is started again nothing is lost.
    RingsAreLeft,
}

/// What is left of the plan's instance.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    /// Its lock is held by nobody.
    pub(crate) lock_is_free: bool,
    /// A ring that the plan names is there.
    pub(crate) has_rings: bool,
}

/// Tells whose a plan is. `standing` is asked only where it matters.
pub(crate) fn whose(
    plan: (Option<&Origin>, &str),
    ours: (&Origin, &str),
    standing: impl FnOnce(&Origin) -> Standing,
) -> Whose {
    let ((origin, boot), (us, our_boot)) = (plan, ours);
    // A plan of a version that named no instance is taken on by whoever finds it, as it always was.
    let Some(origin) = origin else { return Whose::Free };
    if origin.machine != us.machine {
        return Whose::Anothers(Why::Machine);
    }
    // Nothing outlives a boot: neither instances nor rings.
    if origin.instance == us.instance || boot != our_boot {
        return Whose::Free;
    }
    match standing(origin) {
        Standing { lock_is_free: false, .. } => Whose::Anothers(Why::Runs),
        Standing { has_rings: true, .. } => Whose::Anothers(Why::RingsAreLeft),
        Standing { .. } => Whose::Free,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_taken_on_only_by_its_instance_or_when_it_is_nobodys() {
        let origin = |instance: &str, machine: &str| Origin {
            instance: instance.into(),
            runtime_dir: None,
            machine: machine.into(),
        };
        let us = origin("a", "here");
        let (ours, theirs, elsewhere) = (origin("a", "here"), origin("b", "here"), origin("a", "there"));
        let (runs, rings, gone) = ((false, true), (true, true), (true, false));
        for (plan, boot, standing, expected) in [
            (None, "old", runs, Whose::Free),
            (None, "now", runs, Whose::Free),
            (Some(&ours), "now", runs, Whose::Free),
            (Some(&ours), "old", runs, Whose::Free),
            (Some(&theirs), "old", runs, Whose::Free),
            (Some(&theirs), "now", runs, Whose::Anothers(Why::Runs)),
            (Some(&theirs), "now", (false, false), Whose::Anothers(Why::Runs)),
            (Some(&theirs), "now", rings, Whose::Anothers(Why::RingsAreLeft)),
            (Some(&theirs), "now", gone, Whose::Free),
            (Some(&elsewhere), "now", gone, Whose::Anothers(Why::Machine)),
            (Some(&elsewhere), "old", gone, Whose::Anothers(Why::Machine)),
        ] {
            let (lock_is_free, has_rings) = standing;
            let found = whose((plan, boot), (&us, "now"), |_| Standing { lock_is_free, has_rings });
            assert_eq!(found, expected, "{plan:?} of boot {boot}, {standing:?}");
        }
    }
}
