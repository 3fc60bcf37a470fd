//! `preroll codecs`: each camera's encoder ladder, as a table and as JSON.

use std::fmt::Write;

use proto::by_camera::ByCamera;
use proto::codec::EncoderChoice;
use proto::ladder::{CodecTrial, EncoderLadder};
use proto::name::Name;
use serde::Serialize;

use super::show;

/// The JSON document. Its first three keys are the first camera's: they are older than ladders of single cameras.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    #[serde(flatten)]
    first: Ladder<'a>,
    cameras: ByCamera<Ladder<'a>>,
}

/// As much of a ladder as is for others to read.
#[derive(Default, Serialize)]
struct Ladder<'a> {
    chain: &'a [EncoderChoice],
    trials: &'a [CodecTrial],
    given_up: &'a [EncoderChoice],
}

impl<'a> Ladder<'a> {
    fn of(ladder: &'a EncoderLadder) -> Self {
        let EncoderLadder { chain, trials, given_up, .. } = ladder;
        Self { chain, trials, given_up }
    }
}

pub(super) fn document(ladders: &[(Name, EncoderLadder)]) -> Document<'_> {
    Document {
        first: ladders.first().map(|(_, ladder)| Ladder::of(ladder)).unwrap_or_default(),
        cameras: ladders.iter().map(|(name, ladder)| (name.clone(), Ladder::of(ladder))).collect(),
    }
}

/// The tables: one for all cameras whose ladders differ in nothing but what was measured.
pub(super) fn table(ladders: &[(Name, EncoderLadder)]) -> String {
    let mut groups: Vec<Vec<&(Name, EncoderLadder)>> = Vec::new();
    for camera in ladders {
        match groups
            .iter_mut()
            .find(|group| group.first().is_some_and(|first| are_alike(&first.1, &camera.1)))
        {
            Some(group) => group.push(camera),
            None => groups.push(vec![camera]),
        }
    }
    let mut text = String::new();
    for (n, group) in groups.iter().enumerate() {
        if n > 0 {
            text.push('\n');
        }
        if groups.len() > 1 {
            let names: Vec<&str> = group.iter().map(|(name, _)| name.as_str()).collect();
            let _ = writeln!(text, "camera{} {}:", if names.len() == 1 { "" } else { "s" }, names.join(", "));
        }
        let ladders: Vec<&EncoderLadder> = group.iter().map(|(_, ladder)| ladder).collect();
        text.push_str(&of_group(&ladders));
    }
    if groups.is_empty() {
        text.push_str("in use: none yet\n");
    }
    text
}

fn are_alike(one: &EncoderLadder, other: &EncoderLadder) -> bool {
    let tried = |ladder: &EncoderLadder| -> Vec<(EncoderChoice, bool, String)> {
        ladder.trials.iter().map(|trial| (trial.choice.clone(), trial.works, trial.verdict.clone())).collect()
    };
    one.chain == other.chain && tried(one) == tried(other)
}

fn of_group(ladders: &[&EncoderLadder]) -> String {
    let Some(first) = ladders.first() else { return String::new() };
    let in_use = first.first();
    if in_use.is_copied() {
        return format!("copied: frames are recorded as they come ({}), without an encoder\n", in_use.codec);
    }
    let mut rows = vec![show::row(["codec", "encoder", "preset", "works", "frames/s", "verdict"])];
    for (n, trial) in first.trials.iter().enumerate() {
        // Of cameras that are alike, the slowest is told.
        let rates = ladders.iter().filter_map(|ladder| ladder.trials.get(n)?.frames_per_second);
        let slowest = rates.min_by(f64::total_cmp);
        rows.push(vec![
            format!("{}{}", trial.choice.codec, trial.choice.codec.extension()),
            trial.choice.encoder.clone(),
            trial.choice.preset.clone().unwrap_or_else(|| "-".to_owned()),
            if trial.works { "yes" } else { "no" }.to_owned(),
            slowest.map_or("-".to_owned(), |rate| format!("{rate:.0}")),
            trial.verdict.clone(),
        ]);
    }
    let mut text = show::table(&rows);
    let _ = writeln!(text, "\nin use: {}", first.first());
    let others: Vec<String> = first.chain.iter().skip(1).map(ToString::to_string).collect();
    if !others.is_empty() {
        let _ = writeln!(text, "if it fails: {}", others.join(", then "));
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proto::codec::Codec;
    use proto::ladder::{EncodeCost, last_resort};

    use super::*;

    fn x264() -> EncoderChoice {
        EncoderChoice { codec: Codec::H264, encoder: "libx264".into(), preset: Some("superfast".into()) }
    }

    fn trial(choice: EncoderChoice, works: bool, verdict: &str) -> CodecTrial {
        CodecTrial { choice, works, frames_per_second: None, measured_frames: 0, verdict: verdict.into() }
    }

    fn camera(name: &str, ladder: EncoderLadder) -> (Name, EncoderLadder) {
        (Name::new(name).unwrap(), ladder)
    }

    fn usual() -> EncoderLadder {
        let trials = vec![trial(x264(), true, "works"), trial(last_resort(), true, "works")];
        EncoderLadder::tried(vec![x264(), last_resort()], trials)
    }

    fn odd() -> EncoderLadder {
        let trials = vec![trial(x264(), false, "does not open"), trial(last_resort(), true, "works")];
        EncoderLadder::tried(vec![last_resort()], trials)
    }

    #[test]
    fn a_camera_without_an_encoder_is_said_to_be_copied() {
        let copied = EncoderLadder::tried(vec![EncoderChoice::copied(Codec::Mjpg)], Vec::new());
        let text = table(&[camera("left", usual()), camera("right", copied)]);
        let said = "camera right:\ncopied: frames are recorded as they come (MJPG), without an encoder\n";
        assert!(text.ends_with(said), "{text}");
    }

    #[test]
    fn codecs_are_shown_with_the_way_down_the_ladder() {
        let mut slow = usual();
        let spent = Duration::from_secs(1);
        slow.measured(&x264(), EncodeCost { frames: 90, spent });
        let mut quick = usual();
        quick.measured(&x264(), EncodeCost { frames: 200, spent });
        let text = table(&[camera("left", quick), camera("right", slow)]);
        assert!(text.starts_with("codec"), "one table: {text}");
        assert!(text.contains("H264.mp4  libx264  superfast  yes    90        works\n"), "{text}");
        assert!(text.contains("MJPG.avi  mjpeg    -          yes    -         works\n"), "{text}");
        assert!(text.ends_with("in use: H264 (libx264, superfast)\nif it fails: MJPG (mjpeg)\n"), "{text}");
        assert_eq!(table(&[]), "in use: none yet\n");
    }

    #[test]
    fn a_camera_with_another_ladder_has_a_table_of_its_own() {
        let text = table(&[camera("left", usual()), camera("odd", odd()), camera("right", usual())]);
        assert!(text.starts_with("cameras left, right:\ncodec"), "{text}");
        assert!(text.contains("\n\ncamera odd:\ncodec"), "{text}");
        assert!(text.contains("H264.mp4  libx264  superfast  no     -         does not open\n"), "{text}");
        assert!(text.ends_with("in use: MJPG (mjpeg)\n"), "{text}");
    }

    #[test]
    fn the_document_has_each_camera_and_null_for_what_was_not_measured() {
        let ladders = [camera("odd", odd()), camera("left", usual())];
        let document = serde_json::to_value(document(&ladders)).unwrap();
        assert_eq!(document["chain"], document["cameras"]["odd"]["chain"], "the first camera's");
        assert_eq!(document["cameras"]["left"]["chain"][0]["encoder"], "libx264");
        let trial = document["cameras"]["left"]["trials"][0].as_object().unwrap();
        assert!(trial["frames_per_second"].is_null() && trial["works"] == true);
        assert_eq!(document["given_up"], serde_json::json!([]));
    }
}
