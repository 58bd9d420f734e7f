//! From a model's configuration to the sizes that its memory follows from.

use domain::hardware::{Shape, TowerShape};
use engine::config::Config;
use std::num::TryFromIntError;

/// The shape that `config.json` describes.
pub fn shape_of(config: &Config) -> Result<Shape, TryFromIntError> {
    let vision = &config.vision;
    Ok(Shape {
        layers: config.layers.try_into()?,
        key_heads: config.key_heads.try_into()?,
        head_width: config.head_width.try_into()?,
        tower: Some(TowerShape {
            positions: vision.positions().try_into()?,
            hidden: vision.hidden.try_into()?,
            inner: vision.inner.try_into()?,
            image_tokens: vision.image_rows().try_into()?,
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::hardware::{KvType, Place};
    use domain::model::Seed;
    use engine::{Engine, LoadOptions};
    use std::path::Path;

    #[test]
    fn scores_on_a_card_are_counted_as_the_engine_computes_them() {
        assert_eq!(domain::hardware::SCORE_BYTES, engine::device::SCORE_BYTES as u64);
    }

    #[test]
    fn keys_and_values_are_counted_as_the_engine_keeps_them() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workers/engine/tests/golden/tiny-c");
        for kv in KvType::ALL {
            let options = LoadOptions {
                kv: Some(kv.as_str().parse().unwrap()),
                ..LoadOptions::default()
            };
            let engine = Engine::load(&folder, &options).unwrap();
            let shape = shape_of(engine.config()).unwrap();
            let plan = shape.plan(Place::Processor, kv, 0, 512, 1);
            assert_eq!(engine.model().memory_bytes(512), plan.cache);
        }
        let names = engine::kv::KvType::ALL.map(|kv| kv.to_string());
        assert_eq!(names, KvType::ALL.map(KvType::as_str));
    }

    #[test]
    fn the_seeded_shape_of_the_demonstrations_reader_is_that_of_its_files() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/demo/reader");
        let config = Config::load(&folder).unwrap();
        let seed = Seed::shipped().unwrap();
        let reader = seed
            .models
            .iter()
            .find(|model| model.name.as_str() == "glmhub/demo-doc-reader");
        let card = &reader.unwrap().card;
        assert_eq!(card.shape, Some(shape_of(&config).unwrap()));
        assert_eq!(card.context_tokens, u32::try_from(config.context).ok());
    }
}
