//! The frames of each camera as pictures without loss: a PNG a frame, numbered as the rows of its timestamps, and a list of them
//! with their times.

use std::fmt::Write as _;
use std::io::Write as _;
use std::ops::ControlFlow;
use std::path::Path;

use ffmpeg::codec::{self, encoder};
use ffmpeg::format::Pixel;
use ffmpeg::frame::Video as Frame;
use ffmpeg::{Dictionary, Packet, Rational};
use ffmpeg_next as ffmpeg;
use proto::failpoint;
use proto::time::{MonotonicNs, UtcTime};

use super::Source;
use super::caption::{Captions, Subject};
use super::layout::Layout;
use super::sheet::{Rect, Sheet};
use super::timeline::Line;
use crate::colour::{Conversion, Meaning};
use crate::deadline;
use crate::picture::{self, Picture};
use crate::plain_file;

/// The list in a camera's folder.
const LIST: &str = "frames.csv";

/// Makes the pictures, in a new folder with a folder for each camera. Frames of the lead-in are none of the clip's.
///
/// # Errors
/// A sentence on what is wrong.
pub(crate) fn make(source: &Source, burn_in: bool, into: &Path) -> Result<(), String> {
    let cant = |e: std::io::Error| format!("the pictures can't be written: {e}");
    std::fs::create_dir(into).map_err(cant)?;
    let captions = burn_in.then(|| Captions::of(&source.manifest, &source.folder));
    let trigger_ns = source.manifest.trigger_ns.0;
    for ((name, video), (_, camera, rows)) in source.videos().zip(source.cameras()) {
        let folder = into.join(name);
        std::fs::create_dir(&folder).map_err(cant)?;
        let line = Line::new(camera, rows.to_vec());
        let mut list = "file,frame_index,t_capture_monotonic_ns,t_rel_us,utc\n".to_owned();
        let mut writer = Writer::default();
        video.each(|row, picture| {
            if rows[row].lead_in {
                return Ok(ControlFlow::Continue(()));
            }
            let t_ns = rows[row].t_ns;
            let caption = captions.as_ref().map(|captions| {
                let subject = Subject::Frame { number: line.number(row, trigger_ns), t_ns };
                (captions, name, subject)
            });
            let png = writer
                .png(picture, caption)
                .map_err(|e| format!("{name}: no PNG can be made of frame {row}: {e}"))?;
            let file = format!("{row:06}.png");
            put(&folder.join(&file), &png).map_err(cant)?;
            let relative = (i128::from(t_ns) - i128::from(trigger_ns)).div_euclid(1000);
            let utc = UtcTime::from_unix_ns(source.manifest.wall.unix(MonotonicNs(t_ns)));
            // Writing to a String can't fail.
            let _ = writeln!(list, "{file},{row},{t_ns},{relative},{utc}");
            Ok(ControlFlow::Continue(()))
        })?;
        put(&folder.join(LIST), list.as_bytes()).map_err(cant)?;
    }
    Ok(())
}

fn put(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    failpoint::check("export.write", path.display())?;
    plain_file::create(path)?.write_all(bytes)?;
    deadline::step();
    Ok(())
}

/// Encodes pictures, with one encoder as long as their size stays.
#[derive(Default)]
struct Writer {
    encoder: Option<((u32, u32), encoder::video::Encoder)>,
}

impl Writer {
    fn png(
        &mut self,
        picture: &Picture,
        caption: Option<(&Captions, &str, Subject)>,
    ) -> Result<Vec<u8>, ffmpeg::Error> {
        let rgb = coloured(picture, caption)?;
        let size = (rgb.width(), rgb.height());
        let encoder = match self.encoder.take() {
            Some((of, encoder)) if of == size => encoder,
            _ => open(size)?,
        };
        let (_, encoder) = self.encoder.insert((size, encoder));
        encoder.send_frame(&rgb)?;
        let mut packet = Packet::empty();
        encoder.receive_packet(&mut packet)?;
        packet.data().map(<[u8]>::to_vec).ok_or(ffmpeg::Error::InvalidData)
    }
}

fn open((width, height): (u32, u32)) -> Result<encoder::video::Encoder, ffmpeg::Error> {
    let codec = encoder::find(codec::Id::PNG).ok_or(ffmpeg::Error::EncoderNotFound)?;
    let mut video = codec::Context::new_with_codec(codec).encoder().video()?;
    video.set_width(width);
    video.set_height(height);
    video.set_format(Pixel::RGB24);
    video.set_time_base(Rational(1, 25));
    let mut options = Dictionary::new();
    options.set("threads", "1");
    options.set("pred", "sub");
    // A third of the time of the best, and a tenth larger.
    options.set("compression_level", "3");
    video.open_as_with(codec, options)
}

/// A picture in red, green and blue, turned as a player turns it, pixel for pixel, with its caption below.
fn coloured(picture: &Picture, caption: Option<(&Captions, &str, Subject)>) -> Result<Frame, ffmpeg::Error> {
    let (width, height) = (picture.pixels.width(), picture.pixels.height());
    let (yuv, meaning) = picture.scaled(width, height)?;
    let (across, down) = if picture::lies(picture.rotation) { (height, width) } else { (width, height) };
    let caption = caption.map(|caption| strip(across, caption));
    let below = caption.as_ref().map_or(0, Sheet::height);
    let mut rgb = Frame::new(Pixel::RGB24, across, down + u32::try_from(below).unwrap_or(0));
    let (stride, conversion) = (rgb.stride(0), Conversion::to_rgb(meaning));
    let strides = [0, 1, 2].map(|plane| yuv.stride(plane));
    let planes = [0, 1, 2].map(|plane| yuv.data(plane));
    let (w, h) = (width as usize, height as usize);
    for (y, row) in rgb.data_mut(0).chunks_mut(stride).enumerate() {
        for (x, pixel) in row.chunks_exact_mut(3).take(across as usize).enumerate() {
            if y >= down as usize {
                let letters = caption.as_ref().map_or(0, |caption| caption.brightness(x, y - down as usize));
                pixel.fill(letters);
                continue;
            }
            let (x, y) = picture::turned(picture.rotation, (x, y), (w, h));
            pixel.copy_from_slice(
                &conversion.of([0, 1, 2].map(|plane| planes[plane][y * strides[plane] + x])),
            );
        }
    }
    Ok(rgb)
}

/// The caption of a picture so wide.
fn strip(width: u32, (captions, camera, subject): (&Captions, &str, Subject)) -> Sheet {
    let tile = Layout::of(&[(width, 2)], true).tiles[0];
    let height = tile.caption.map_or(0, |caption| caption.height);
    let mut sheet = Sheet::new(width as usize, height, Meaning::JPEG.grey(0.0));
    let place = Rect { x: 0, y: 0, width: width as usize, height };
    captions.draw(&mut sheet, place, tile.scale, camera, subject, Meaning::JPEG);
    sheet
}
