//! The section about a run.

use super::shape::Section;
use crate::cost::Level;
use crate::report::table::Table;
use crate::round::short;
use crate::run::Results;

pub(super) fn section(results: &Results) -> Section {
    let (plan, cost, clips) = (&results.plan, &results.cost, &results.clips);
    let mut table = Table::new(&["", "average", "peak"]);
    let mut level = |what: &str, level: &Level| {
        table.row([(what.to_owned(), None), (short(level.average), None), (short(level.peak), None)]);
    };
    level("memory, MB (PSS)", &cost.memory_mb);
    level("CPU, % of a core", &cost.cpu_percent);
    level("disk, MB/s", &cost.disk_mb_per_s);
    for (role, (mb, cpu)) in &cost.roles {
        level(&format!("{role}: memory, MB"), mb);
        level(&format!("{role}: CPU, % of a core"), cpu);
    }
    let mut cameras = Table::new(&["camera", "frames", "dropped", "interval p50, ms", "p99", "longest"]);
    for camera in &results.cameras {
        cameras.row([
            (camera.name.clone(), None),
            (camera.frames.to_string(), None),
            (camera.dropped.to_string(), None),
            (short(camera.interval_p50_ms), None),
            (short(camera.interval_p99_ms), None),
            (short(camera.interval_max_ms), None),
        ]);
    }
    let mut lead = format!(
        "{} cameras ({}), {} at {} fps, for {} s.",
        plan.cameras,
        plan.backend,
        plan.size,
        plan.fps,
        short(plan.duration_s)
    );
    if clips.asked > 0 {
        lead += &format!(
            " {} of {} clips are complete, with {} of {} frames.",
            clips.complete, clips.asked, clips.frames_written, clips.frames_expected
        );
    }
    if let Some(after) = clips.finished_after_ms {
        lead += &format!(
            " Finished {} ms (p50), {} ms (p99), {} ms (worst) after the window's end.",
            short(after.p50),
            short(after.p99),
            short(after.worst)
        );
    }
    Section { heading: "One run".into(), lead, tables: vec![table, cameras], ..Section::default() }
}
