//! The stream of a file that is its film, and the sentence for a file that has pictures and no film: a sound file's
//! cover, an animation that libav has no decoder for. Nothing is decoded here.

use ffmpeg_next as ffmpeg;

use ffmpeg::format::context::Input;
use ffmpeg::format::stream::Disposition;
use ffmpeg::{Stream, codec, decoder, media};

/// The best video stream that is more than a cover picture.
///
/// # Errors
/// The reason why there is none, for a person.
pub(super) fn of(input: &Input) -> Result<Stream<'_>, &'static str> {
    let is_cover = |stream: &Stream<'_>| stream.disposition().contains(Disposition::ATTACHED_PIC);
    let best = input.streams().best(media::Type::Video).ok_or("there is no video stream in it")?;
    if !is_cover(&best) {
        return Ok(best);
    }
    let is_video = |stream: &Stream<'_>| stream.parameters().medium() == media::Type::Video;
    input.streams().find(|stream| is_video(stream) && !is_cover(stream)).ok_or(
        "its only picture is a cover, as sound files have one; a camera needs a video: check the camera's path",
    )
}

/// Refuses a stream whose pictures this libav is known not to decode although it has a decoder of that name.
///
/// # Errors
/// The reason, for a person.
pub(super) fn be_decodable(decoder: &decoder::Video) -> Result<(), &'static str> {
    // libav finds the size of every WebP that it can decode; those with animation chunks it passes over.
    let is_animated_webp = decoder.id() == codec::Id::WEBP && (decoder.width() == 0 || decoder.height() == 0);
    if is_animated_webp {
        return Err(
            "it is an animated WebP, which libav can't decode; convert it to a video first, such as MP4",
        );
    }
    Ok(())
}
