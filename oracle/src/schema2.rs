//! What a clip says since schema 2 of its manifest: its verdict, and the columns behind a row's time. Pure; a clip of
//! schema 1 says none of it and passes.

use crate::fault::Fault;
use crate::manifest::{Camera, Manifest};
use crate::timestamps::Row;

/// Compares the verdict with the claims beside it: it is the first that holds of `gaps`, `ended_early`, `short`, `complete`.
pub fn check_the_verdict(manifest: &Manifest) -> Option<Fault> {
    if manifest.schema < 2 {
        return None;
    }
    let has_gap = |camera: &Camera| !camera.live || !camera.gaps.is_empty();
    let is_short = manifest.asked_start_ns.is_none_or(|asked| manifest.window.start_ns > asked);
    let due = if manifest.cameras.values().any(has_gap) {
        "gaps"
    } else if manifest.ended_early {
        "ended_early"
    } else if is_short {
        "short"
    } else {
        "complete"
    };
    let claimed = manifest.verdict.clone().unwrap_or_default();
    let agrees = claimed == due && manifest.complete == (due == "complete");
    (!agrees).then(|| Fault::VerdictDiffers { claimed, complete: manifest.complete, due: due.to_owned() })
}

/// Compares the columns behind the time with the time, and with each other.
pub fn check_the_columns(manifest: &Manifest, rows: &[Row]) -> Option<Fault> {
    let trigger_ns = manifest.trigger_ns;
    let mut newest = None;
    let wrong = rows.iter().position(|row| match (&row.more, trigger_ns) {
        (None, _) => manifest.schema >= 2,
        (Some(_), None) => true,
        (Some(more), Some(trigger)) => {
            let relative = (i128::from(row.t_ns) - i128::from(trigger)).div_euclid(1000);
            let goes_on = newest.replace(more.sequence).is_none_or(|before| before < more.sequence);
            !goes_on
                || i128::from(more.t_rel_us) != relative
                || more.flags.chars().any(|flag| !"rdla".contains(flag))
        }
    });
    wrong.map(|frame| Fault::ColumnsDiffer { frame })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamps::{self, HEADER, HEADER_OF_SCHEMA_1};

    fn manifest(schema: u32, verdict: &str, complete: bool, start_ns: u64, camera: &str) -> Manifest {
        let text = format!(
            r#"{{ "schema": {schema}, "clip_id": "clip-0001", "label": null, "verdict": "{verdict}",
                "complete": {complete}, "ended_early": false, "trigger_ns": 5000, "asked_start_ns": 100,
                "window": {{ "start_ns": {start_ns}, "end_ns": 9000 }}, "cameras": {{ "left": {{ {camera}
                "file": null, "codec": "H264", "encoder": "libx264", "frames_expected": 0, "frames_written": 0 }} }} }}"#
        );
        Manifest::parse(&text).unwrap()
    }

    #[test]
    fn a_verdict_is_the_first_that_holds() {
        let gap = r#""gaps": [{ "after_sequence": 1, "missing": 1, "cause": "disk" }],"#;
        let (whole, away) = ("", r#""live": false,"#);
        for (verdict, complete, start_ns, camera) in [
            ("complete", true, 100, whole),
            ("short", false, 101, whole),
            ("gaps", false, 101, gap),
            ("gaps", false, 100, away),
        ] {
            assert_eq!(check_the_verdict(&manifest(2, verdict, complete, start_ns, camera)), None);
            for (other, claims) in
                [("complete", true), ("short", true), ("gaps", true), ("ended_early", false)]
            {
                if (other, claims) != (verdict, complete) {
                    let fault = check_the_verdict(&manifest(2, other, claims, start_ns, camera));
                    assert!(
                        matches!(fault, Some(Fault::VerdictDiffers { .. })),
                        "{verdict} {other}: {fault:?}"
                    );
                }
            }
        }
        assert_eq!(check_the_verdict(&manifest(1, "", true, 101, whole)), None);
    }

    #[test]
    fn the_columns_agree_with_the_time() {
        let check = |schema, rows: &str| {
            let header = if rows.matches(',').count() > 4 { HEADER } else { HEADER_OF_SCHEMA_1 };
            let rows = timestamps::parse(&format!("{header}\n{rows}")).unwrap();
            check_the_columns(&manifest(schema, "complete", true, 100, ""), &rows)
        };
        assert_eq!(check(2, "left,0,4999,7,-1,\nleft,1,5000,9,0,r\n"), None);
        assert_eq!(check(1, "left,0,4999\nleft,1,5000\n"), None);
        let wrong = |frame| Some(Fault::ColumnsDiffer { frame });
        assert_eq!(check(2, "left,0,4999,7,0,\nleft,1,5000,9,0,r\n"), wrong(0));
        assert_eq!(check(2, "left,0,4999,7,-1,\nleft,1,5000,7,0,r\n"), wrong(1));
        assert_eq!(check(2, "left,0,4999,7,-1,\nleft,1,5000,8,0,x\n"), wrong(1));
        assert_eq!(check(2, "left,0,4999\nleft,1,5000\n"), wrong(0));
    }
}
