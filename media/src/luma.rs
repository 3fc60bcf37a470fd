//! The mean brightness of a picture.

use ffmpeg_next::format::Pixel;
use ffmpeg_next::frame::Video;

/// Every nth row is looked at: a light shows in all of them.
const EVERY: usize = 4;

/// The mean of all pixels' brightness, in the picture's own numbers; `None` of a format that has none.
pub(crate) fn mean(picture: &Video) -> Option<f64> {
    let (first, step, samples) = match picture.format() {
        Pixel::YUYV422 => (0, 2, 1),
        // The mean of three colours is as good as their brightness: only its jumps count.
        Pixel::BGR24 | Pixel::RGB24 => (0, 1, 3),
        format if format.descriptor()?.name().contains("p1") => return None,
        _ => (0, 1, 1),
    };
    let (stride, width) = (picture.stride(0), picture.width() as usize);
    let (mut sum, mut count) = (0_u64, 0_u64);
    for row in picture.data(0).chunks(stride).take(picture.height() as usize).step_by(EVERY) {
        let row = row.get(first..(width * step * samples).min(row.len()))?;
        sum += row.iter().step_by(step).map(|value| u64::from(*value)).sum::<u64>();
        count += u64::try_from(row.len().div_ceil(step)).unwrap_or(0);
    }
    #[expect(clippy::cast_precision_loss, reason = "a picture's bytes: far below 2^53")]
    let mean = (count > 0).then(|| sum as f64 / count as f64);
    mean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_tells_its_brightness() {
        for pixel in
            [Pixel::YUV420P, Pixel::NV12, Pixel::YUYV422, Pixel::GRAY8, Pixel::BGR24, Pixel::YUVJ422P]
        {
            let mut picture = Video::new(pixel, 64, 32);
            for plane in 0..picture.planes() {
                picture.data_mut(plane).fill(128);
            }
            let stride = picture.stride(0);
            let step = if pixel == Pixel::YUYV422 { 2 } else { 1 };
            for row in picture.data_mut(0).chunks_mut(stride) {
                row.iter_mut().step_by(step).for_each(|value| *value = 40);
            }
            assert_eq!(mean(&picture), Some(40.0), "{pixel:?}");
        }
        assert_eq!(mean(&Video::new(Pixel::YUV420P10LE, 64, 32)), None);
    }
}
