//! The reasons that follow from rings of compressed frames: their length in time depends on what the camera sends. Pure.

use proto::storage::mb;

use super::Reason;

/// One camera's ring of compressed frames.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Reach {
    pub(crate) camera: String,
    /// The age of its oldest frame; `None` while nothing had to make room yet, so that it may reach further.
    pub(crate) reach_ms: Option<f64>,
    /// The pre-roll, with the time that triggers may come late by.
    pub(crate) wanted_ms: u64,
    /// The bit rate that it was made for, in bytes a second.
    pub(crate) max_rate_bytes: u64,
    /// Frames that were dropped for their size, since the ring was made.
    pub(crate) too_large: u64,
    pub(crate) max_frame_bytes: u64,
}

/// The reasons that a ring is.
pub(crate) fn reasons(ring: &Reach) -> Vec<Reason> {
    short(ring).into_iter().chain(too_large(ring)).collect()
}

#[expect(clippy::cast_precision_loss, reason = "spans of at most some days, for a person to read")]
fn short(ring: &Reach) -> Option<Reason> {
    let (reach, wanted) = (ring.reach_ms?, ring.wanted_ms as f64);
    let mbps = ring.max_rate_bytes as f64 * 8.0 / 1e6;
    (reach < wanted).then(|| {
        Reason::attention(format!(
            "camera {}: its ring reaches {:.1} s back, and a pre-roll of {:.1} s was asked for: it sends more than the \
             {mbps:.1} Mbit/s that the ring was made for; write a larger max_bitrate_mbps",
            ring.camera,
            reach / 1e3,
            wanted / 1e3,
        ))
    })
}

fn too_large(ring: &Reach) -> Option<Reason> {
    let (camera, count) = (&ring.camera, ring.too_large);
    let frames = if count == 1 { "1 frame was" } else { &format!("{count} frames were") };
    (count > 0).then(|| {
        Reason::attention(format!(
            "camera {camera}: {frames} dropped, larger than the {:.2} MB that its ring takes; write a larger max_frame_bytes",
            mb(ring.max_frame_bytes)
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(reach_ms: Option<f64>, too_large: u64) -> Vec<String> {
        let ring = Reach {
            camera: "left".into(),
            reach_ms,
            wanted_ms: 10_000,
            max_rate_bytes: 500_000,
            too_large,
            max_frame_bytes: 500_000,
        };
        reasons(&ring).into_iter().map(|reason| reason.text).collect()
    }

    #[test]
    fn a_ring_that_holds_less_than_the_pre_roll_is_told_what_to_write() {
        assert_eq!(said(None, 0), [""; 0], "it is only filling");
        assert_eq!(said(Some(10_000.0), 0), [""; 0]);
        let said = said(Some(8_240.0), 0);
        for word in ["camera left", "8.2 s", "10.0 s", "4.0 Mbit/s", "max_bitrate_mbps"] {
            assert!(said[0].contains(word), "{said:?}");
        }
    }

    #[test]
    fn frames_that_were_too_large_are_counted() {
        assert!(
            said(None, 1)[0].contains("1 frame was dropped, larger than the 0.50 MB"),
            "{:?}",
            said(None, 1)
        );
        assert!(said(None, 12)[0].contains("12 frames were dropped"), "{:?}", said(None, 12));
    }
}
