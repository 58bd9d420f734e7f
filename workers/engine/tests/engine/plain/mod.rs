//! The whole model once more, without any cleverness: double precision, one row and one number at a time, every
//! score and every row in memory. It is the specification that odd sizes are held to.

mod arithmetic;

use std::collections::BTreeMap;

use safetensors::Dtype;

use crate::load::{Checkpoint, Stored};

use arithmetic::{Rows, attention, dot, gated, gelu, map, squares, sum};

/// The sizes of a model that a test makes up.
#[derive(Debug, Clone)]
pub struct Sizes {
    pub layers: usize,
    pub hidden: usize,
    pub inner: usize,
    pub heads: usize,
    pub key_heads: usize,
    pub head_width: usize,
    pub vocabulary: usize,
    pub qkv_bias: bool,
    pub rope_ratio: f64,
    pub tower_layers: usize,
    pub tower_hidden: usize,
    pub tower_inner: usize,
    pub tower_heads: usize,
    pub grid: usize,
    pub patch: usize,
    pub scaling: f64,
}

/// Made-up weights for given sizes.
pub struct Plain {
    sizes: Sizes,
    tensors: BTreeMap<String, (Vec<usize>, Vec<f32>)>,
    state: u64,
}

impl Plain {
    pub fn new(sizes: Sizes, seed: u64) -> Self {
        let mut plain = Self {
            sizes,
            tensors: BTreeMap::new(),
            state: seed,
        };
        plain.make_tower();
        plain.make_text();
        plain
    }

    fn make_tower(&mut self) {
        let Sizes {
            tower_layers,
            tower_hidden: d,
            tower_inner,
            hidden: h,
            inner,
            grid,
            patch,
            ..
        } = self.sizes;
        let at = "transformer.vision";
        self.make(&format!("{at}.patch_embedding.cls_embedding"), &[1, d]);
        self.make(
            &format!("{at}.patch_embedding.position_embedding.weight"),
            &[grid * grid + 1, d],
        );
        self.make_linear(&format!("{at}.patch_embedding.proj"), &[d, 3, patch, patch], true);
        for layer in 0..tower_layers {
            let at = format!("{at}.transformer.layers.{layer}");
            self.make_linear(&format!("{at}.attention.query_key_value"), &[3 * d, d], true);
            self.make_linear(&format!("{at}.attention.dense"), &[d, d], true);
            self.make_linear(&format!("{at}.mlp.fc1"), &[tower_inner, d], true);
            self.make_linear(&format!("{at}.mlp.fc2"), &[d, tower_inner], true);
            self.make_norm(&format!("{at}.input_layernorm"), d, true);
            self.make_norm(&format!("{at}.post_attention_layernorm"), d, true);
        }
        self.make_linear(&format!("{at}.conv"), &[h, d, 2, 2], true);
        self.make_linear(&format!("{at}.linear_proj.linear_proj"), &[h, h], false);
        self.make_norm(&format!("{at}.linear_proj.norm1"), h, true);
        self.make_linear(&format!("{at}.linear_proj.gate_proj"), &[inner, h], false);
        self.make_linear(&format!("{at}.linear_proj.dense_h_to_4h"), &[inner, h], false);
        self.make_linear(&format!("{at}.linear_proj.dense_4h_to_h"), &[h, inner], false);
        self.make(&format!("{at}.boi"), &[1, 1, h]);
        self.make(&format!("{at}.eoi"), &[1, 1, h]);
    }

    fn make_text(&mut self) {
        let Sizes {
            layers,
            hidden: h,
            inner,
            heads,
            key_heads,
            head_width,
            vocabulary,
            qkv_bias,
            ..
        } = self.sizes;
        self.make("transformer.embedding.word_embeddings.weight", &[vocabulary, h]);
        for layer in 0..layers {
            let at = format!("transformer.encoder.layers.{layer}");
            let fused = (heads + 2 * key_heads) * head_width;
            self.make_linear(
                &format!("{at}.self_attention.query_key_value"),
                &[fused, h],
                qkv_bias,
            );
            self.make_linear(
                &format!("{at}.self_attention.dense"),
                &[h, heads * head_width],
                false,
            );
            self.make_linear(&format!("{at}.mlp.dense_h_to_4h"), &[2 * inner, h], false);
            self.make_linear(&format!("{at}.mlp.dense_4h_to_h"), &[h, inner], false);
            self.make_norm(&format!("{at}.input_layernorm"), h, false);
            self.make_norm(&format!("{at}.post_attention_layernorm"), h, false);
        }
        self.make_norm("transformer.encoder.final_layernorm", h, false);
        self.make_linear("transformer.output_layer", &[vocabulary, h], false);
    }

    /// Between -1 and 1.
    fn noise(&mut self) -> f32 {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 40) as f32 / (1 << 23) as f32 - 1.0
    }

    fn make(&mut self, name: &str, shape: &[usize]) {
        let values = (0..shape.iter().product()).map(|_| self.noise()).collect();
        self.tensors.insert(name.to_owned(), (shape.to_vec(), values));
    }

    fn make_linear(&mut self, name: &str, shape: &[usize], bias: bool) {
        let inputs: usize = shape[1..].iter().product();
        let scale = 1.7 / (inputs as f32).sqrt();
        let values = (0..shape[0] * inputs).map(|_| self.noise() * scale).collect();
        self.tensors
            .insert(format!("{name}.weight"), (shape.to_vec(), values));
        if bias {
            self.make(&format!("{name}.bias"), &shape[..1]);
        }
    }

    fn make_norm(&mut self, name: &str, width: usize, bias: bool) {
        let values = (0..width).map(|_| 1.0 + 0.3 * self.noise()).collect();
        self.tensors
            .insert(format!("{name}.weight"), (vec![width], values));
        if bias {
            self.make(&format!("{name}.bias"), &[width]);
        }
    }

    /// The weights as a file would have them.
    pub fn checkpoint(&self) -> Checkpoint {
        let mut checkpoint = Checkpoint::default();
        for (name, (shape, values)) in &self.tensors {
            let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            checkpoint.add(
                name,
                Stored {
                    dtype: Dtype::F32,
                    shape: shape.clone(),
                    bytes,
                },
            );
        }
        checkpoint
    }

    fn values(&self, name: &str) -> Vec<f64> {
        self.tensors[name]
            .1
            .iter()
            .map(|&value| f64::from(value))
            .collect()
    }

    fn linear(&self, name: &str, rows: &Rows) -> Rows {
        let weight = self.values(&format!("{name}.weight"));
        let outputs = self.tensors[&format!("{name}.weight")].0[0];
        let bias_name = format!("{name}.bias");
        let bias = if self.tensors.contains_key(&bias_name) {
            self.values(&bias_name)
        } else {
            vec![0.0; outputs]
        };
        let one = |row: &Vec<f64>| {
            weight
                .chunks(row.len())
                .zip(&bias)
                .map(|(weight, bias)| dot(weight, row) + bias)
                .collect()
        };
        rows.iter().map(one).collect()
    }

    fn layer_norm(&self, name: &str, rows: &Rows, epsilon: f64) -> Rows {
        let (weight, bias) = (
            self.values(&format!("{name}.weight")),
            self.values(&format!("{name}.bias")),
        );
        let one = |row: &Vec<f64>| {
            let count = row.len() as f64;
            let mean = row.iter().sum::<f64>() / count;
            let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            let scaled = row.iter().map(|x| (x - mean) / (variance + epsilon).sqrt());
            scaled
                .zip(weight.iter().zip(&bias))
                .map(|(x, (weight, bias))| x * weight + bias)
                .collect()
        };
        rows.iter().map(one).collect()
    }

    fn rms_norm(&self, name: &str, rows: &Rows) -> Rows {
        let weight = self.values(&format!("{name}.weight"));
        let one = |row: &Vec<f64>| {
            let square = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
            row.iter()
                .zip(&weight)
                .map(|(x, weight)| x / (square + 1.5625e-7).sqrt() * weight)
                .collect()
        };
        rows.iter().map(one).collect()
    }

    /// `pixels[channel][row][column]` to the rows that an image has in the language model.
    pub fn image_rows(&self, pixels: &[f32]) -> Rows {
        let at = "transformer.vision";
        let Sizes {
            tower_layers,
            tower_hidden,
            tower_heads,
            grid,
            scaling,
            ..
        } = self.sizes;
        let mut x = vec![self.values(&format!("{at}.patch_embedding.cls_embedding"))];
        x.extend(self.linear(&format!("{at}.patch_embedding.proj"), &self.patches(pixels)));
        let positions = self.values(&format!("{at}.patch_embedding.position_embedding.weight"));
        x = sum(&x, &positions.chunks(tower_hidden).map(<[f64]>::to_vec).collect());
        for layer in 0..tower_layers {
            let at = format!("{at}.transformer.layers.{layer}");
            let qkv = self.linear(&format!("{at}.attention.query_key_value"), &x);
            let attended = attention(&qkv, tower_heads, tower_heads, tower_hidden / tower_heads, false);
            let branch = self.linear(&format!("{at}.attention.dense"), &attended);
            x = sum(
                &x,
                &self.layer_norm(&format!("{at}.input_layernorm"), &branch, 1e-6),
            );
            let inner = map(&self.linear(&format!("{at}.mlp.fc1"), &x), gelu);
            let branch = self.linear(&format!("{at}.mlp.fc2"), &inner);
            x = sum(
                &x,
                &self.layer_norm(&format!("{at}.post_attention_layernorm"), &branch, 1e-6),
            );
        }
        let x = self.linear(&format!("{at}.conv"), &squares(&x[1..], grid));
        let at = format!("{at}.linear_proj");
        let x = self.layer_norm(
            &format!("{at}.norm1"),
            &self.linear(&format!("{at}.linear_proj"), &x),
            1e-5,
        );
        let x = map(&x, gelu);
        let (gate, up) = (
            self.linear(&format!("{at}.gate_proj"), &x),
            self.linear(&format!("{at}.dense_h_to_4h"), &x),
        );
        let x = self.linear(&format!("{at}.dense_4h_to_h"), &gated(&gate, &up));
        let mut rows = vec![self.values("transformer.vision.boi")];
        rows.extend(x);
        rows.push(self.values("transformer.vision.eoi"));
        map(&rows, |x| x / scaling)
    }

    fn patches(&self, pixels: &[f32]) -> Rows {
        let Sizes { grid, patch, .. } = self.sizes;
        let side = grid * patch;
        let one = |index: usize| {
            let within = 0..3 * patch * patch;
            let pixel = |at: usize| {
                let (channel, y, x) = (at / (patch * patch), at / patch % patch, at % patch);
                f64::from(
                    pixels[(channel * side + index / grid * patch + y) * side + index % grid * patch + x],
                )
            };
            within.map(pixel).collect()
        };
        (0..grid * grid).map(one).collect()
    }

    /// The logits after ids of which the three from `image_at` on stand for `image`.
    pub fn logits(&self, ids: &[u32], image_at: Option<usize>, image: &Rows) -> Vec<f64> {
        let Sizes {
            layers,
            heads,
            key_heads,
            head_width,
            inner,
            ..
        } = self.sizes;
        let (mut x, positions) = self.spliced(ids, image_at, image);
        for layer in 0..layers {
            let at = format!("transformer.encoder.layers.{layer}");
            let normed = self.rms_norm(&format!("{at}.input_layernorm"), &x);
            let mut qkv = self.linear(&format!("{at}.self_attention.query_key_value"), &normed);
            for (row, &position) in qkv.iter_mut().zip(&positions) {
                self.turn(&mut row[..(heads + key_heads) * head_width], position);
            }
            let attended = attention(&qkv, heads, key_heads, head_width, true);
            x = sum(&x, &self.linear(&format!("{at}.self_attention.dense"), &attended));
            let normed = self.rms_norm(&format!("{at}.post_attention_layernorm"), &x);
            let both = self.linear(&format!("{at}.mlp.dense_h_to_4h"), &normed);
            let gate = both.iter().map(|row| row[..inner].to_vec()).collect();
            let up = both.iter().map(|row| row[inner..].to_vec()).collect();
            x = sum(
                &x,
                &self.linear(&format!("{at}.mlp.dense_4h_to_h"), &gated(&gate, &up)),
            );
        }
        let last = vec![x.pop().unwrap()];
        self.linear(
            "transformer.output_layer",
            &self.rms_norm("transformer.encoder.final_layernorm", &last),
        )
        .remove(0)
    }

    /// The embedded rows of ids and image, and the position of each.
    fn spliced(&self, ids: &[u32], image_at: Option<usize>, image: &Rows) -> (Rows, Vec<usize>) {
        let hidden = self.sizes.hidden;
        let embedding = self.values("transformer.embedding.word_embeddings.weight");
        let (mut x, mut positions) = (Rows::new(), Vec::new());
        for (index, &id) in ids.iter().enumerate() {
            match image_at {
                Some(at) if index == at => {
                    x.extend(image.iter().cloned());
                    positions.extend((0..image.len()).map(|row| match row {
                        0 => at,
                        row if row == image.len() - 1 => at + 2,
                        _ => at + 1,
                    }));
                }
                Some(at) if index > at && index < at + 3 => {}
                _ => {
                    x.push(embedding[id as usize * hidden..][..hidden].to_vec());
                    positions.push(index);
                }
            }
        }
        (x, positions)
    }

    fn turn(&self, heads: &mut [f64], position: usize) {
        let rotated = self.sizes.head_width / 2;
        for head in heads.chunks_mut(self.sizes.head_width) {
            for pair in 0..rotated / 2 {
                let base = 10_000.0 * self.sizes.rope_ratio;
                let (sin, cos) = (position as f64 * base.powf(-2.0 * pair as f64 / rotated as f64)).sin_cos();
                let (a, b) = (head[2 * pair], head[2 * pair + 1]);
                (head[2 * pair], head[2 * pair + 1]) = (a * cos - b * sin, b * cos + a * sin);
            }
        }
    }
}
