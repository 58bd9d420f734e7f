//! Pages: encoded once, and with the rows that several questions share.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use candle_core::Tensor;
use pages::RgbPage;

use super::fit::Plan;
use super::{Engine, EngineError};
use crate::cache::Cache;
use crate::glm4v::{Stage, Trace};
use crate::image::{resize_bicubic, to_pixel_values};

/// A page as the language model reads it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct EncodedPage {
    /// `[image tokens, hidden]`
    pub(super) rows: Tensor,
    /// What the encoding took.
    pub took: Duration,
}

impl EncodedPage {
    /// The image's rows, `[image tokens, hidden]`.
    pub fn rows(&self) -> &Tensor {
        &self.rows
    }

    /// The memory that its rows take, in bytes.
    pub fn bytes(&self) -> u64 {
        (self.rows.elem_count() * self.rows.dtype().size_in_bytes()) as u64
    }
}

/// A page as the tower reads it, resized and normalised.
#[derive(Debug, Clone)]
pub struct PixelValues(Vec<f32>);

/// How far an encoding is: the tower's blocks are nearly all of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub blocks_done: usize,
    pub blocks: usize,
}

/// Questions on one page. It keeps the memory of the last prompt's rows up to the end of the image; a question
/// whose prompt begins alike starts from there.
#[derive(Debug)]
pub struct PageSession {
    page: EncodedPage,
    prefix: Option<Prefix>,
}

#[derive(Debug)]
struct Prefix {
    ids: Vec<u32>,
    cache: Cache,
}

impl PageSession {
    pub fn page(&self) -> &EncodedPage {
        &self.page
    }

    /// Whether the rows that `plan` begins with are in memory, up to the end of the image.
    pub(super) fn remembers(&self, plan: &Plan) -> bool {
        self.prefix
            .as_ref()
            .is_some_and(|prefix| prefix.ids == through_image(plan))
    }

    /// Gives the memory back; the next question takes its rows in again.
    pub(super) fn forget(&mut self) {
        self.prefix = None;
    }
}

/// The ids of a prompt up to the end of its image.
fn through_image(plan: &Plan) -> &[u32] {
    &plan.prompt.ids[..plan.splice.after().start]
}

/// Tells an observer about the tower's blocks.
struct Blocks<'a> {
    blocks: usize,
    observe: &'a mut dyn FnMut(Progress) -> ControlFlow<()>,
}

impl Trace for Blocks<'_> {
    fn reached(&mut self, stage: Stage, _: &Tensor) -> ControlFlow<()> {
        match stage {
            Stage::TowerBlock(index) => (self.observe)(Progress {
                blocks_done: index + 1,
                blocks: self.blocks,
            }),
            _ => ControlFlow::Continue(()),
        }
    }
}

impl Engine {
    /// Resizes a page and sends it through the tower.
    pub fn encode_page(&self, page: &RgbPage) -> Result<EncodedPage, EngineError> {
        self.encode_page_observed(page, &mut |_| ControlFlow::Continue(()))
    }

    /// The same; `observe` hears of every block and may break the encoding off, which gives
    /// [`EngineError::Cancelled`].
    pub fn encode_page_observed(
        &self,
        page: &RgbPage,
        observe: &mut dyn FnMut(Progress) -> ControlFlow<()>,
    ) -> Result<EncodedPage, EngineError> {
        let blocks = self.config.vision.layers;
        self.encode_page_traced(page, &mut Blocks { blocks, observe })
    }

    /// The same; `trace` sees every stage, and may break off inside of a block too.
    pub fn encode_page_traced(
        &self,
        page: &RgbPage,
        trace: &mut dyn Trace,
    ) -> Result<EncodedPage, EngineError> {
        self.encode_pixels(&self.pixel_values(page)?, trace)
    }

    /// Resizes a page and normalises it, which is all that is done with it before the tower.
    pub fn pixel_values(&self, page: &RgbPage) -> Result<PixelValues, EngineError> {
        let RgbPage { width, height, .. } = *page;
        if page.pixels.is_empty() || page.pixels.len() as u64 != u64::from(width) * u64::from(height) * 3 {
            return Err(EngineError::BadPage {
                width,
                height,
                bytes: page.pixels.len(),
            });
        }
        let side = self.config.vision.image_side as u32;
        Ok(PixelValues(to_pixel_values(&resize_bicubic(page, side, side))))
    }

    /// Sends a page through the tower.
    pub fn encode_pixels(
        &self,
        pixels: &PixelValues,
        trace: &mut dyn Trace,
    ) -> Result<EncodedPage, EngineError> {
        let start = Instant::now();
        let rows = self.model.encode_image(&pixels.0, trace)?;
        Ok(EncodedPage {
            rows,
            took: start.elapsed(),
        })
    }

    /// A place to ask questions on one page.
    pub fn open_page(&self, page: &EncodedPage) -> PageSession {
        PageSession {
            page: page.clone(),
            prefix: None,
        }
    }

    /// A memory of the prompt's rows up to the end of the image.
    ///
    /// The rows before and the image are one run and what follows is another, whether the memory is made for this
    /// question or was made for an earlier one: that is why sharing it changes no bit of an answer.
    pub(super) fn page_memory(
        &self,
        session: &mut PageSession,
        plan: &Plan,
        trace: &mut dyn Trace,
    ) -> Result<Cache, EngineError> {
        let ids = through_image(plan);
        if let Some(prefix) = session.prefix.as_ref().filter(|prefix| prefix.ids == ids) {
            return Ok(prefix.cache.fork());
        }
        let before = self.model.embed(&plan.prompt.ids[plan.splice.before()])?;
        let rows = Tensor::cat(&[&before, &session.page.rows], 0).map_err(EngineError::Compute)?;
        let taken_in = plan.splice.rows() - plan.splice.after().len();
        let mut cache = self.model.new_cache();
        self.model
            .take_in(&rows, &plan.splice.positions()[..taken_in], &mut cache, trace)?;
        let fork = cache.fork();
        session.prefix = Some(Prefix {
            ids: ids.to_vec(),
            cache,
        });
        Ok(fork)
    }
}
