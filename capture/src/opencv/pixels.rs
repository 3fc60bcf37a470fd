//! The conversion of a picture as OpenCV hands it out (BGR, nearly always) to a frame of the ring.

use opencv::core::{self, Mat, Size};
use opencv::imgproc;
use opencv::prelude::*;
use proto::frame::{Geometry, PixelFormat, Plane};

/// Writes a picture of the geometry's size into a frame. YUV comes out as BT.601 in limited range, which is what
/// OpenCV knows and encoders expect.
///
/// # Errors
/// OpenCV's, for a picture whose pixels aren't bytes of grey, BGR or BGRA.
pub(super) fn write(picture: &Mat, to: &Geometry, bytes: &mut [u8]) -> opencv::Result<()> {
    let planes = to.planes();
    match to.format() {
        PixelFormat::BGR24 => fill(&planes[0], bytes, whole(&bgr(picture)?)?.data_bytes()?),
        PixelFormat::GRAY8 => fill(&planes[0], bytes, whole(&grey(picture)?)?.data_bytes()?),
        format => {
            let i420 = i420(&bgr(picture)?)?;
            let (luma, chroma) = Chroma::split(i420.data_bytes()?, to);
            match format {
                PixelFormat::NV12 => {
                    fill(&planes[0], bytes, luma);
                    for row in 0..planes[1].rows {
                        let (u, v) = chroma.row(row);
                        let pairs = planes[1].row_mut(bytes, row).chunks_exact_mut(2);
                        for ((pair, u), v) in pairs.zip(u).zip(v) {
                            pair.copy_from_slice(&[*u, *v]);
                        }
                    }
                }
                PixelFormat::YUYV => {
                    let width = planes[0].row_bytes / 2;
                    for (row, luma) in luma.chunks_exact(width).take(planes[0].rows).enumerate() {
                        let (u, v) = chroma.row(row / 2);
                        let quads = planes[0].row_mut(bytes, row).chunks_exact_mut(4);
                        for (((quad, y), u), v) in quads.zip(luma.chunks_exact(2)).zip(u).zip(v) {
                            quad.copy_from_slice(&[y[0], *u, y[1], *v]);
                        }
                    }
                }
                _ => {
                    fill(&planes[0], bytes, luma);
                    fill(&planes[1], bytes, chroma.u);
                    fill(&planes[2], bytes, chroma.v);
                }
            }
        }
    }
    Ok(())
}

/// True for a picture that holds a 4:2:0 frame of the geometry: OpenCV hands out a pipeline's I420 or NV12 in one channel,
/// half again as high, and doesn't tell which of the two it is.
pub(super) fn is_raw(picture: &Mat, to: &Geometry) -> bool {
    let (w, h) = (i64::from(to.width()), i64::from(to.height()));
    matches!(to.format(), PixelFormat::I420 | PixelFormat::NV12)
        && picture.typ() == core::CV_8UC1
        && (i64::from(picture.cols()), 2 * i64::from(picture.rows())) == (w, 3 * h)
}

/// True for a picture that seems to hold a 4:2:0 frame of another size or for another format than the geometry's: its colours
/// would be taken for brightness below the picture. Judged by the picture's shape, which is the geometry's and half again.
pub(super) fn is_raw_of_another_size(picture: &Mat, to: &Geometry) -> bool {
    let (w, h) = (i64::from(to.width()), i64::from(to.height()));
    picture.typ() == core::CV_8UC1 && 2 * i64::from(picture.rows()) * w == 3 * i64::from(picture.cols()) * h
}

/// Copies a picture for which [`is_raw`] is true into a frame.
///
/// # Errors
/// OpenCV's.
pub(super) fn copy(picture: &Mat, to: &Geometry, bytes: &mut [u8]) -> opencv::Result<()> {
    let picture = whole(picture)?;
    let mut rest = picture.data_bytes()?;
    for plane in to.planes().iter().filter(|plane| plane.rows > 0) {
        let (ours, after) = rest.split_at(plane.row_bytes * plane.rows);
        fill(plane, bytes, ours);
        rest = after;
    }
    Ok(())
}

/// Are two pictures the same to the last byte? A glance, nearly always: pictures of a camera differ within the first rows.
pub(super) fn are_equal(one: &Mat, other: &Mat) -> bool {
    let shape = |picture: &Mat| (picture.rows(), picture.cols(), picture.typ());
    shape(one) == shape(other)
        && matches!((one.data_bytes(), other.data_bytes()), (Ok(one), Ok(other)) if one == other)
}

/// The picture, scaled to the geometry's size.
pub(super) fn scaled(picture: &Mat, to: &Geometry) -> opencv::Result<Mat> {
    let side = |pixels| i32::try_from(pixels).unwrap_or(i32::MAX);
    let mut scaled = Mat::default();
    imgproc::resize_def(picture, &mut scaled, Size::new(side(to.width()), side(to.height())))?;
    Ok(scaled)
}

/// The colour of an I420 picture, tightly packed.
struct Chroma<'a> {
    u: &'a [u8],
    v: &'a [u8],
    /// Bytes in a row of either.
    width: usize,
}

impl<'a> Chroma<'a> {
    /// The luma of an I420 picture and its colour. Its height is the geometry's, rounded up to an even number.
    fn split(i420: &'a [u8], to: &Geometry) -> (&'a [u8], Self) {
        let (width, height) = (to.width() as usize, to.height().next_multiple_of(2) as usize);
        let (luma, chroma) = i420.split_at(width * height);
        let (u, v) = chroma.split_at(chroma.len() / 2);
        (luma, Self { u, v, width: width / 2 })
    }

    fn row(&self, row: usize) -> (&'a [u8], &'a [u8]) {
        let at = row * self.width..(row + 1) * self.width;
        (&self.u[at.clone()], &self.v[at])
    }
}

/// Fills a plane from tightly packed rows.
fn fill(plane: &Plane, frame: &mut [u8], from: &[u8]) {
    plane.fill(frame, from, plane.row_bytes);
}

/// The same pixels without gaps between rows.
fn whole(picture: &Mat) -> opencv::Result<Mat> {
    // Copying the Mat itself copies no pixels.
    if picture.is_continuous() { Ok(picture.clone()) } else { picture.try_clone() }
}

fn bgr(picture: &Mat) -> opencv::Result<Mat> {
    converted(picture, [Some(imgproc::COLOR_GRAY2BGR), None, Some(imgproc::COLOR_BGRA2BGR)])
}

fn grey(picture: &Mat) -> opencv::Result<Mat> {
    converted(picture, [None, Some(imgproc::COLOR_BGR2GRAY), Some(imgproc::COLOR_BGRA2GRAY)])
}

/// Converts by the code for grey, BGR or BGRA; a code of `None` keeps the picture as it is.
fn converted(picture: &Mat, codes: [Option<i32>; 3]) -> opencv::Result<Mat> {
    let code = match picture.typ() {
        core::CV_8UC1 => codes[0],
        core::CV_8UC3 => codes[1],
        core::CV_8UC4 => codes[2],
        other => {
            let what = format!("its pixels are of OpenCV's type {other}, neither 8-bit grey nor BGR");
            return Err(opencv::Error::new(core::StsUnsupportedFormat, what));
        }
    };
    let Some(code) = code else { return Ok(picture.clone()) };
    let mut converted = Mat::default();
    imgproc::cvt_color_def(picture, &mut converted, code)?;
    Ok(converted)
}

/// Converts to I420, which OpenCV makes of even heights only: a picture with an odd height, as YUYV may have, gets its last
/// row twice.
fn i420(bgr: &Mat) -> opencv::Result<Mat> {
    let mut even = Mat::default();
    let bgr = if bgr.rows() % 2 == 1 {
        core::copy_make_border_def(bgr, &mut even, 0, 1, 0, 0, core::BORDER_REPLICATE)?;
        &even
    } else {
        bgr
    };
    let mut i420 = Mat::default();
    imgproc::cvt_color_def(bgr, &mut i420, imgproc::COLOR_BGR2YUV_I420)?;
    Ok(i420)
}

#[cfg(test)]
mod tests {
    use super::*;
    use opencv::core::{CV_8UC1, CV_8UC3, Scalar};

    #[test]
    fn a_red_picture_is_red_in_every_format() {
        for format in PixelFormat::ALL {
            let height = if matches!(format, PixelFormat::YUYV) { 31 } else { 32 };
            let to = Geometry::new(66, height, format).unwrap();
            let rows = i32::try_from(height).unwrap();
            let red = Scalar::new(0.0, 0.0, 255.0, 0.0);
            let picture = Mat::new_rows_cols_with_default(rows, 66, CV_8UC3, red).unwrap();
            let mut bytes = vec![0; to.frame_bytes()];
            write(&picture, &to, &mut bytes).unwrap();
            // BT.601: Y 81, Cb 90, Cr 240; as grey 0.299 of 255.
            let expected: &[&[u8]] = match format {
                PixelFormat::I420 => &[&[81], &[90], &[240]],
                PixelFormat::NV12 => &[&[81], &[90, 240]],
                PixelFormat::YUYV => &[&[81, 90, 81, 240]],
                PixelFormat::GRAY8 => &[&[76]],
                _ => &[&[0, 0, 255]],
            };
            for (plane, pattern) in to.planes().iter().zip(expected) {
                for row in 0..plane.rows {
                    for (n, byte) in plane.row(&bytes, row).iter().enumerate() {
                        let wanted = pattern[n % pattern.len()];
                        assert!(byte.abs_diff(wanted) <= 1, "{format} row {row} byte {n}: {byte}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_grey_camera_can_fill_any_ring() {
        let picture = Mat::new_rows_cols_with_default(32, 64, CV_8UC1, Scalar::all(255.0)).unwrap();
        for (format, white) in PixelFormat::ALL.into_iter().zip([235, 235, 235, 255, 255]) {
            let to = Geometry::new(64, 32, format).unwrap();
            let mut bytes = vec![0; to.frame_bytes()];
            write(&picture, &to, &mut bytes).unwrap();
            assert_eq!(to.planes()[0].row(&bytes, 31)[62], white, "{format}");
        }
    }

    #[test]
    fn a_raw_frame_is_copied_plane_by_plane() {
        let numbers: Vec<u8> = (0..96).collect();
        let picture = Mat::from_slice(&numbers).unwrap().reshape(1, 12).unwrap().try_clone().unwrap();
        for format in [PixelFormat::I420, PixelFormat::NV12] {
            let to = Geometry::new(8, 8, format).unwrap();
            assert!(is_raw(&picture, &to));
            let mut bytes = vec![0; to.frame_bytes()];
            copy(&picture, &to, &mut bytes).unwrap();
            let planes = to.planes();
            assert_eq!(planes[0].row(&bytes, 7)[7], 63, "{format}");
            assert_eq!(planes[1].row(&bytes, 0)[0], 64, "{format}");
            let last = planes.iter().rfind(|plane| plane.rows > 0).unwrap();
            assert_eq!(last.row(&bytes, last.rows - 1)[last.row_bytes - 1], 95, "{format}");
        }
        // Grey of that size is a picture like any other.
        assert!(!is_raw(&picture, &Geometry::new(8, 12, PixelFormat::GRAY8).unwrap()));
    }

    #[test]
    fn pixels_of_another_depth_are_refused() {
        let picture = Mat::new_rows_cols_with_default(32, 64, core::CV_16UC1, Scalar::all(0.0)).unwrap();
        let to = Geometry::new(64, 32, PixelFormat::GRAY8).unwrap();
        let error = write(&picture, &to, &mut vec![0; to.frame_bytes()]).unwrap_err();
        assert!(error.message.contains("8-bit grey"), "{error}");
    }
}
