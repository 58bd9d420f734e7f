//! Reads everything before the tensors' bytes.

use super::{
    ALIGNMENT, ALIGNMENT_KEY, MAGIC, TensorType, VERSION,
    value::{Array, Value, fixed_size, kind},
};
use std::{collections::BTreeMap, ops::Range};

/// Dimensions of a tensor, at most.
const MOST_DIMENSIONS: u32 = 4;

/// What is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GgufError {
    #[error("it is not a GGUF file")]
    NotGguf,
    #[error("it is GGUF of version {0}; version {VERSION} can be read")]
    Version(u32),
    #[error("it ends in the middle of {0}")]
    CutOff(&'static str),
    #[error("{0}")]
    Nonsense(String),
}

/// Where a tensor lies in its file, and as what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TensorPlace {
    pub kind: TensorType,
    /// Outermost first, as the rest of the engine has it.
    pub shape: Vec<usize>,
    pub bytes: Range<usize>,
}

/// Everything before the tensors' bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Header {
    /// Lists of other kinds than [`Array`] has are passed over.
    pub values: BTreeMap<String, Value>,
    pub tensors: BTreeMap<String, TensorPlace>,
}

impl Header {
    /// Reads the header of a whole file.
    pub fn read(file: &[u8]) -> Result<Self, GgufError> {
        let mut reader = Reader { file, at: 0 };
        if reader.take(4, "the magic")? != MAGIC {
            return Err(GgufError::NotGguf);
        }
        match reader.u32("the version")? {
            VERSION => {}
            other => return Err(GgufError::Version(other)),
        }
        let (tensors, values) = (reader.u64("the counts")?, reader.u64("the counts")?);
        let values = reader.values(values)?;
        let described = (0..tensors)
            .map(|_| reader.tensor())
            .collect::<Result<Vec<_>, GgufError>>()?;
        let alignment = match values.get(ALIGNMENT_KEY) {
            None => ALIGNMENT,
            Some(value) => value
                .as_count()
                .filter(|count| count.is_power_of_two() && *count <= 1 << 20)
                .ok_or_else(|| {
                    GgufError::Nonsense(format!("{ALIGNMENT_KEY} is no power of two up to 2^20"))
                })?,
        };
        let start = (reader.at as u64).next_multiple_of(alignment);
        let mut placed = BTreeMap::new();
        for tensor in described {
            let (name, place) = tensor.place(start, alignment, file.len())?;
            if placed.contains_key(&name) {
                return Err(GgufError::Nonsense(format!("tensor {name} is there twice")));
            }
            placed.insert(name, place);
        }
        Ok(Self {
            values,
            tensors: placed,
        })
    }

    /// The text under a key.
    pub fn text(&self, key: &str) -> Option<&str> {
        self.values.get(key).and_then(Value::as_text)
    }
}

struct RawTensor {
    name: String,
    shape: Vec<usize>,
    code: u32,
    offset: u64,
}

impl RawTensor {
    fn place(self, start: u64, alignment: u64, end: usize) -> Result<(String, TensorPlace), GgufError> {
        let name = self.name;
        let nonsense = |what: String| GgufError::Nonsense(format!("tensor {name} {what}"));
        let kind = TensorType::of_code(self.code)
            .ok_or_else(|| nonsense(format!("is of type {}, which is not known here", self.code)))?;
        let width = self.shape.last().copied().unwrap_or(1);
        let rows = self
            .shape
            .iter()
            .rev()
            .skip(1)
            .try_fold(1usize, |rows, &count| rows.checked_mul(count));
        let bytes = kind
            .row_bytes(width)
            .zip(rows)
            .and_then(|(row, rows)| row.checked_mul(rows))
            .ok_or_else(|| {
                nonsense(format!(
                    "has rows of {width} values, which are no whole blocks of {}",
                    kind.name()
                ))
            })?;
        if !self.offset.is_multiple_of(alignment) {
            return Err(nonsense("does not begin at a multiple of the alignment".into()));
        }
        let first = start
            .checked_add(self.offset)
            .and_then(|first| usize::try_from(first).ok());
        let range = first.and_then(|first| Some(first..first.checked_add(bytes)?));
        let bytes = range
            .filter(|range| range.end <= end)
            .ok_or_else(|| nonsense("reaches beyond the end of the file".into()))?;
        let shape = self.shape;
        Ok((name, TensorPlace { kind, shape, bytes }))
    }
}

struct Reader<'a> {
    file: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: u64, what: &'static str) -> Result<&'a [u8], GgufError> {
        let end = usize::try_from(count)
            .ok()
            .and_then(|count| self.at.checked_add(count));
        let taken = end.and_then(|end| self.file.get(self.at..end));
        let taken = taken.ok_or(GgufError::CutOff(what))?;
        self.at += taken.len();
        Ok(taken)
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], GgufError> {
        let taken = self.take(N as u64, what)?;
        taken.try_into().map_err(|_| GgufError::CutOff(what))
    }

    fn u32(&mut self, what: &'static str) -> Result<u32, GgufError> {
        self.array(what).map(u32::from_le_bytes)
    }

    fn u64(&mut self, what: &'static str) -> Result<u64, GgufError> {
        self.array(what).map(u64::from_le_bytes)
    }

    fn text(&mut self, what: &'static str) -> Result<String, GgufError> {
        let length = self.u64(what)?;
        let bytes = self.take(length, what)?;
        let text = std::str::from_utf8(bytes);
        text.map(str::to_owned)
            .map_err(|_| GgufError::Nonsense(format!("{what} is not UTF-8")))
    }

    fn values(&mut self, count: u64) -> Result<BTreeMap<String, Value>, GgufError> {
        let mut values = BTreeMap::new();
        for _ in 0..count {
            let key = self.text("a key")?;
            if let Some(value) = self.value()? {
                values.insert(key, value);
            }
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<Option<Value>, GgufError> {
        let what = "a value";
        Ok(Some(match self.u32(what)? {
            kind::U8 => Value::U32(u32::from(self.array::<1>(what)?[0])),
            kind::I8 => Value::I32(i32::from(i8::from_le_bytes(self.array(what)?))),
            kind::U16 => Value::U32(u32::from(u16::from_le_bytes(self.array(what)?))),
            kind::I16 => Value::I32(i32::from(i16::from_le_bytes(self.array(what)?))),
            kind::U32 => Value::U32(self.u32(what)?),
            kind::I32 => Value::I32(i32::from_le_bytes(self.array(what)?)),
            kind::F32 => Value::F32(f32::from_le_bytes(self.array(what)?)),
            kind::BOOL => Value::Bool(self.array::<1>(what)?[0] != 0),
            kind::TEXT => Value::Text(self.text(what)?),
            kind::ARRAY => return Ok(self.list()?.map(Value::Array)),
            kind::U64 => Value::U64(self.u64(what)?),
            kind::I64 => Value::I64(i64::from_le_bytes(self.array(what)?)),
            kind::F64 => Value::F64(f64::from_le_bytes(self.array(what)?)),
            other => return Err(GgufError::Nonsense(format!("there is no kind of value {other}"))),
        }))
    }

    fn list(&mut self) -> Result<Option<Array>, GgufError> {
        let what = "a list";
        let (kind, count) = (self.u32(what)?, self.u64(what)?);
        if kind == kind::TEXT {
            // Each text takes at least its length, so the count cannot promise more than the file holds.
            return (0..count)
                .map(|_| self.text(what))
                .collect::<Result<_, _>>()
                .map(|texts| Some(Array::Texts(texts)));
        }
        let size =
            fixed_size(kind).ok_or_else(|| GgufError::Nonsense("lists of lists are not read".into()))?;
        let bytes = self.take(count.checked_mul(size).ok_or(GgufError::CutOff(what))?, what)?;
        if kind == kind::U32 {
            let numbers = bytes.as_chunks::<4>().0.iter();
            return Ok(Some(Array::U32(
                numbers.map(|&number| u32::from_le_bytes(number)).collect(),
            )));
        }
        Ok(None)
    }

    fn tensor(&mut self) -> Result<RawTensor, GgufError> {
        let what = "a tensor's description";
        let name = self.text(what)?;
        let dimensions = self.u32(what)?;
        if dimensions > MOST_DIMENSIONS {
            return Err(GgufError::Nonsense(format!(
                "tensor {name} has {dimensions} dimensions"
            )));
        }
        let mut shape = (0..dimensions)
            .map(|_| {
                let count = usize::try_from(self.u64(what)?);
                count.map_err(|_| GgufError::Nonsense(format!("tensor {name} is too large")))
            })
            .collect::<Result<Vec<_>, GgufError>>()?;
        shape.reverse();
        Ok(RawTensor {
            name,
            shape,
            code: self.u32(what)?,
            offset: self.u64(what)?,
        })
    }
}
