//! The table.

use std::fmt;

use super::rounds::Figures;
use super::{Peer, Results};

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plan = &self.plan;
        writeln!(
            f,
            "2 cameras, {} at {} fps; {} clips of {} + {} ms each; {} cores, load {}",
            plan.size,
            plan.fps,
            plan.rounds,
            plan.pre_ms,
            plan.post_ms,
            self.head.machine.cores,
            self.head.machine.load
        )?;
        writeln!(
            f,
            "{:<24} {:>9} {:>9} {:>8} {:>8} {:>11} {:>11} {:>8} {:>9} {:>9} {:>9}",
            "", "frames", "longest", "dropped", "armed", "cpu", "memory", "file", "bytes", "killed:", "hole"
        )?;
        writeln!(
            f,
            "{:<24} {:>9} {:>9} {:>8} {:>8} {:>11} {:>11} {:>8} {:>9} {:>9} {:>9}",
            "",
            "found",
            "gap, ms",
            "by cams",
            "% core",
            "avg/peak",
            "MB avg/peak",
            "ms, p50",
            "a frame",
            "found",
            "ms"
        )?;
        for Peer { title, figures, not_measured, .. } in &self.peers {
            match (figures, not_measured) {
                (Some(figures), _) => row(f, title, figures)?,
                (None, why) => writeln!(f, "{title:<24} not measured: {}", why.as_deref().unwrap_or("?"))?,
            }
        }
        for peer in &self.peers {
            let Some(figures) = &peer.figures else { continue };
            for (what, n) in [("clips never finished", figures.unfinished), ("frames twice", figures.twice())]
            {
                if n > 0 {
                    writeln!(f, "{}: {n} {what}", peer.title)?;
                }
            }
            if let Some(first) = figures.broken.first() {
                writeln!(f, "{}: {} videos with errors; {first}", peer.title, figures.broken.len())?;
            }
        }
        Ok(())
    }
}

fn row(f: &mut fmt::Formatter<'_>, title: &str, figures: &Figures) -> fmt::Result {
    let of = |found: u64, expected: u64| format!("{found}/{expected}");
    let levels = |level: &crate::cost::Level| format!("{:.0}/{:.0}", level.average, level.peak);
    writeln!(
        f,
        "{title:<24} {:>9} {:>9.1} {:>8} {:>8.1} {:>11} {:>11} {:>8} {:>9} {:>9} {:>9.1}",
        of(figures.frames_found, figures.frames_expected),
        figures.hole_worst_ms,
        figures.camera_dropped,
        figures.armed_cpu_percent,
        levels(&figures.cpu_percent),
        levels(&figures.memory_mb),
        figures.file_after_ms.map_or("–".into(), |after| format!("{:.0}", after.p50)),
        figures.bytes_a_frame,
        of(figures.killed.frames_found, figures.killed.frames_expected),
        figures.killed.hole_ms,
    )
}

impl Figures {
    fn twice(&self) -> u32 {
        u32::try_from(self.duplicated).unwrap_or(u32::MAX)
    }
}
