//! The loop beside a plain model: whatever is done to its processes and rings, in any order, everything comes up again,
//! each child runs once, and every end is counted once.

use proptest::prelude::*;

use super::fake::{by_signal, with_code};
use super::fake_process::Mood;
use super::{Rig, capture};
use crate::loop_events::LoopRequest;
use proto::instance::ChildId;
use proto::status::InstanceState;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Kill(u8),
    Crash(u8),
    Misconfigure(u8),
    Stop(u8),
    Hang(u8),
    Restart(u8),
    BreakRing(u8),
    Add,
    Remove,
    Wait(u16),
}

fn blow() -> impl Strategy<Value = Blow> {
    prop_oneof![
        3 => (0..4u8).prop_map(Blow::Kill),
        2 => (0..4u8).prop_map(Blow::Crash),
        1 => (0..2u8).prop_map(Blow::Misconfigure),
        2 => (0..4u8).prop_map(Blow::Stop),
        2 => (0..3u8).prop_map(Blow::Hang),
        1 => (0..3u8).prop_map(Blow::Restart),
        1 => (0..2u8).prop_map(Blow::BreakRing),
        1 => Just(Blow::Add),
        1 => Just(Blow::Remove),
        5 => (1..3000u16).prop_map(Blow::Wait),
    ]
}

/// The plain model: how many processes have ended of each child that can't be confused with another, and whether the
/// third camera is there.
#[derive(Default)]
struct Model {
    ends: [u64; 2],
    has_middle: bool,
}

fn id(which: u8) -> ChildId {
    match which {
        0 => capture("left"),
        1 => capture("right"),
        2 => ChildId::Recorder,
        _ => ChildId::Standby,
    }
}

/// Does it to the child's process, if there is one that nothing has been done to yet. True if it will end of it.
fn strike(rig: &mut Rig, which: u8, blow: Blow) -> bool {
    let Some(pid) = rig.child(&id(which)).running().map(|running| running.pid()) else { return false };
    let is_free = rig.child(&id(which)).running().is_some_and(|running| running.ending().is_none());
    let is_well = rig.world.with(pid, |fake| fake.alive && fake.mood == Mood::Well);
    if !is_free || !is_well {
        return false;
    }
    let mood = |mood| rig.world.with(pid, |fake| fake.mood = mood);
    match blow {
        Blow::Kill(_) => rig.world.exit(pid, by_signal(9)),
        Blow::Crash(_) => rig.world.exit(pid, by_signal(11)),
        Blow::Misconfigure(_) => rig.world.exit(pid, with_code(2)),
        Blow::Stop(_) => mood(Mood::Stopped),
        Blow::Hang(_) => mood(Mood::Hung),
        _ => return false,
    }
    true
}

fn happen(rig: &mut Rig, model: &mut Model, blow: Blow) {
    let ends = match blow {
        Blow::Kill(which)
        | Blow::Crash(which)
        | Blow::Misconfigure(which)
        | Blow::Stop(which)
        | Blow::Hang(which) => strike(rig, which, blow).then_some(which),
        Blow::Restart(which) => {
            let name = ["left", "right", "recorder"][usize::from(which)];
            let is_up = rig.child(&id(which)).running().is_some_and(|running| running.ending().is_none());
            drop(rig.world.ask(LoopRequest::Restart(name.into())));
            is_up.then_some(which)
        }
        Blow::BreakRing(which) => {
            let name = ["left", "right"][usize::from(which)];
            rig.rings[name].with(|ring| ring.broken = true);
            let is_up = rig.child(&id(which)).running().is_some_and(|running| running.ending().is_none());
            is_up.then_some(which)
        }
        Blow::Add if !model.has_middle => {
            rig.add("middle");
            model.has_middle = true;
            None
        }
        Blow::Remove if model.has_middle => {
            assert!(rig.instance.children.remove(&super::name("middle"), &rig.world).is_some());
            model.has_middle = false;
            None
        }
        Blow::Add | Blow::Remove => None,
        Blow::Wait(ms) => {
            rig.run(u64::from(ms));
            None
        }
    };
    if let Some(which @ 0..=1) = ends {
        model.ends[usize::from(which)] += 1;
    }
    // The loop acts on each of these before the next blow, so that no capture ends of two. Blows on the recorder and its
    // standby follow each other as they come.
    if ends.is_some_and(|which| which < 2)
        || matches!(blow, Blow::Restart(_) | Blow::BreakRing(_) | Blow::Remove)
    {
        rig.run(4000);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn everything_comes_up_again_whatever_was_done_to_it(blows in prop::collection::vec(blow(), 1..24)) {
        let mut rig = Rig::ready();
        let mut model = Model::default();
        for blow in blows {
            happen(&mut rig, &mut model, blow);
        }
        rig.run(65_000);
        prop_assert_eq!(rig.state(), InstanceState::Ready, "{:?}", rig.troubles());
        prop_assert_eq!(rig.world.all_alive(), if model.has_middle { 5 } else { 4 });
        for which in 0..2u8 {
            prop_assert_eq!(rig.restarts(&id(which)), model.ends[usize::from(which)], "{}", id(which));
        }
        // Nothing is kept for the next supervisor that doesn't run, and everything that runs is.
        let saved = rig.world.saved().children;
        let mut kept: Vec<u32> = saved.iter().map(|child| child.pid.as_u32()).collect();
        let mut running: Vec<u32> =
            rig.instance.children.all().filter_map(|c| Some(c.running()?.pid().as_u32())).collect();
        kept.sort_unstable();
        running.sort_unstable();
        prop_assert_eq!(kept, running);
        rig.instance.close();
        prop_assert_eq!(rig.world.all_alive(), 0);
    }
}
