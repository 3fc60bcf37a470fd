//! A rehearsal: one encoder makes a little clip of one camera, which is decoded back and compared.

use std::path::Path;
use std::sync::Arc;

use ffmpeg_next as ffmpeg;
use ffmpeg_next::format::Pixel;
use ffmpeg_next::{codec, frame, media};

use proto::codec::{Codec, EncoderChoice};
use proto::config::CameraConfig;
use proto::frame::{FrameFlags, FrameInfo, Geometry, LossBefore, PictureTags, Rotation};
use proto::time::MonotonicNs;

use super::reel::{Picture, Reel};
use crate::clock::Monotonic;
use crate::container::{self, VideoWriter};
use crate::encode::EncoderSetup;
use crate::feed::Feed;
use crate::journal::{PartHeader, PartReason};
use crate::opening::{Libav, Media};
use crate::part;
use crate::track::TrackWriter;

/// Decoded brightness may differ from the original by this much on average (of 255). At CRF 51 the difference stays under
/// it; a picture that is another one, or none, differs by more.
const MAX_MEAN_ERROR: f64 = 24.0;

/// Makes a whole little clip: encoded into a part, joined into the real container, decoded and compared.
pub(super) fn rehearse(
    choice: &EncoderChoice,
    reel: &Reel,
    quality: u8,
    folder: &Path,
) -> Result<(), String> {
    record(Arc::new(Libav), choice, reel, quality, folder)?;
    let say = |what: &str, e: String| format!("{what}: {e}");
    let file = join(folder, &reel.camera, choice.codec).map_err(|e| say("can't be put in its file", e))?;
    compare(&file, reel).map_err(|e| say("does not decode", e))
}

/// Encodes the pictures into a part.
fn record(
    media: Arc<dyn Media>,
    choice: &EncoderChoice,
    reel: &Reel,
    quality: u8,
    folder: &Path,
) -> Result<(), String> {
    let CameraConfig { name, geometry, fps, .. } = &reel.camera;
    let picture = PictureTags::made_as(geometry.format());
    let setup = EncoderSetup { choice: choice.clone(), geometry: *geometry, fps: *fps, quality, picture };
    let header = PartHeader {
        choice: choice.clone(),
        base_ns: MonotonicNs(0),
        begun_because: PartReason::First,
        first_sequence: 1,
        previous: None,
        copied_into: None,
        goes_on: false,
    };
    let say = |what: &str, e: &dyn std::fmt::Display| format!("{what}: {e}");
    let mut feed = Feed::new(media, Arc::new(Monotonic), None);
    let parameters = feed.open(&setup).map_err(|e| say("does not open", &e))?;
    let path = part::video_path(folder, name, 1, ".mp4");
    let mut track = TrackWriter::create(&path, header, *fps, parameters, feed.media())
        .map_err(|e| say("does not open", &e))?;
    for (n, picture) in (0_u64..).zip(&reel.pictures) {
        let info = FrameInfo {
            sequence: n + 1,
            source_sequence: n,
            t_capture: MonotonicNs(fps.due_ns(n)),
            epoch: 1,
            before: LossBefore::Nothing,
            flags: FrameFlags::NONE,
            ..FrameInfo::default()
        };
        let picture = Picture { info, bytes: Arc::clone(picture) };
        track.pass_encode();
        feed.take(Box::new(picture), &mut |packet| track.write(packet))
            .map_err(|e| say("does not encode", &e))?;
    }
    feed.drain(&mut |packet| track.write(packet)).map_err(|e| say("does not encode", &e))?;
    track.finish().map_err(|e| say("can't be written", &e))
}

fn join(folder: &Path, camera: &CameraConfig, codec: Codec) -> Result<std::path::PathBuf, String> {
    let fps_milli = camera.fps.milli();
    let text = |e: std::io::Error| e.to_string();
    let parts = part::read_all(folder, &camera.name).map_err(text)?;
    let part = parts.first().ok_or("the part holds no frame")?;
    let parameters = part
        .parameters(&camera.geometry, &PictureTags::default())
        .map_err(text)?
        .ok_or("the part can't be read")?;
    let path = folder.join(format!("probe{}", codec.extension()));
    let mut writer =
        VideoWriter::create(&path, container::layout(codec, fps_milli), parameters, Rotation::None, || ())
            .map_err(|e| e.to_string())?;
    part.each_packet(false, |_, packet| writer.write(packet, 1_000_000_000 / i64::from(fps_milli)))
        .map_err(|e| e.to_string())?;
    writer.finish().map_err(|e| e.to_string())?;
    Ok(path)
}

/// Checks that every picture comes back, in order, and looks like itself.
fn compare(file: &Path, reel: &Reel) -> Result<(), String> {
    let text = |e: ffmpeg::Error| e.to_string();
    let mut input = ffmpeg::format::input(file).map_err(text)?;
    let stream = input.streams().best(media::Type::Video).ok_or("no video in the file")?;
    let mut decoder = codec::Context::from_parameters(stream.parameters())
        .and_then(|c| c.decoder().video())
        .map_err(text)?;
    let mut seen = 0;
    let mut frame = frame::Video::empty();
    let mut check = |frame: &frame::Video| {
        let original = reel.pictures.get(seen).ok_or("more pictures came back than went in")?;
        let error = mean_error(frame, original, &reel.camera.geometry);
        seen += 1;
        if error > MAX_MEAN_ERROR { Err(format!("picture {seen} came back as another one")) } else { Ok(()) }
    };
    for (_, packet) in input.packets() {
        decoder.send_packet(&packet).map_err(text)?;
        while decoder.receive_frame(&mut frame).is_ok() {
            check(&frame)?;
        }
    }
    decoder.send_eof().map_err(text)?;
    while decoder.receive_frame(&mut frame).is_ok() {
        check(&frame)?;
    }
    if seen == reel.pictures.len() {
        Ok(())
    } else {
        Err(format!("{seen} of {} pictures came back", reel.pictures.len()))
    }
}

/// The mean difference in brightness, on a grid: a picture need not be read whole to be recognised.
fn mean_error(frame: &frame::Video, original: &[u8], geometry: &Geometry) -> f64 {
    const STEP: usize = 8;
    let plane = geometry.planes()[0];
    let pixel_bytes = plane.row_bytes / (geometry.width() as usize).max(1);
    let full_range = frame.format() == Pixel::YUVJ420P;
    let (mut sum, mut count) = (0.0, 0.0);
    for y in (0..geometry.height() as usize).step_by(STEP) {
        let line = plane.row(original, y);
        for x in (0..geometry.width() as usize).step_by(STEP) {
            let at = x * pixel_bytes;
            let was = match pixel_bytes {
                // BGR: Rec. 601 weights, in video range as the encoder gets it.
                3 => {
                    let [b, g, r] = [line[at], line[at + 1], line[at + 2]].map(f64::from);
                    16.0 + (0.098 * b + 0.504 * g + 0.257 * r)
                }
                _ => f64::from(line[at]),
            };
            let came = f64::from(frame.data(0).get(y * frame.stride(0) + x).copied().unwrap_or(0));
            let came = if full_range { 16.0 + came * 219.0 / 255.0 } else { came };
            sum += (was - came).abs();
            count += 1.0;
        }
    }
    sum / f64::max(count, 1.0)
}

#[cfg(test)]
mod tests {
    use proto::config::Config;
    use proto::ladder::last_resort;

    use super::*;
    use crate::fakes::FakeMedia;

    #[test]
    fn an_encoder_that_does_not_begin_with_a_key_frame_fails_with_these_words() {
        let folder = tempfile::tempdir().unwrap();
        let text = "cameras:\n  - { name: left, backend: sim, width: 256, height: 64, fps: 60 }\n";
        let config = Config::parse(Path::new("one.yaml"), text).unwrap();
        let camera = config.cameras[0].clone();
        let pictures = vec![Arc::new(vec![0; camera.geometry.frame_bytes()])];
        let reel = Reel { camera, pictures };
        let media = Arc::<FakeMedia>::default();
        media.make_keyless("mjpeg");
        let refused = record(media, &last_resort(), &reel, 23, folder.path()).unwrap_err();
        assert_eq!(refused, "does not encode: the encoder's first packet is no key frame");
    }
}
