//! Writes everything before the tensors' bytes; the bytes follow, tensor by tensor, as [`Layout`] says.

use super::{
    ALIGNMENT, MAGIC, TensorType, VERSION,
    value::{Array, Value, kind},
};
use std::io::{self, Write};

/// A tensor that will be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    pub name: String,
    pub kind: TensorType,
    /// Outermost first.
    pub shape: Vec<usize>,
}

impl Described {
    /// Values of a row: all but the outermost dimension that there are several of go into it.
    pub fn width(&self) -> usize {
        self.shape.last().copied().unwrap_or(1)
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.shape.iter().rev().skip(1).product()
    }

    /// How many bytes the tensor takes; none if its rows are no whole blocks.
    pub fn bytes(&self) -> Option<usize> {
        Some(self.kind.row_bytes(self.width())? * self.rows())
    }
}

/// Where everything comes to lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// Bytes before the first tensor.
    pub header: u64,
    /// Where each tensor begins in the file, in the order of the descriptions.
    pub starts: Vec<u64>,
    /// Bytes of the whole file.
    pub end: u64,
}

/// Writes the header of a file with these values and tensors, and tells where the tensors go.
pub fn write_header(
    out: &mut impl Write,
    values: &[(String, Value)],
    tensors: &[Described],
) -> io::Result<Layout> {
    let mut header = Vec::new();
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend((tensors.len() as u64).to_le_bytes());
    header.extend((values.len() as u64).to_le_bytes());
    for (key, value) in values {
        put_text(&mut header, key);
        put_value(&mut header, value);
    }
    let mut offset = 0u64;
    let mut offsets = Vec::with_capacity(tensors.len());
    for tensor in tensors {
        let bytes = tensor.bytes().ok_or_else(|| {
            let reason = format!(
                "tensor {} has rows of {} values, no whole blocks",
                tensor.name,
                tensor.width()
            );
            io::Error::new(io::ErrorKind::InvalidInput, reason)
        })?;
        put_text(&mut header, &tensor.name);
        header.extend((tensor.shape.len() as u32).to_le_bytes());
        for &count in tensor.shape.iter().rev() {
            header.extend((count as u64).to_le_bytes());
        }
        header.extend(tensor.kind.code().to_le_bytes());
        header.extend(offset.to_le_bytes());
        offsets.push(offset);
        offset += (bytes as u64).next_multiple_of(ALIGNMENT);
    }
    header.resize(header.len().next_multiple_of(ALIGNMENT as usize), 0);
    out.write_all(&header)?;
    let start = header.len() as u64;
    Ok(Layout {
        header: start,
        starts: offsets.into_iter().map(|offset| start + offset).collect(),
        end: start + offset,
    })
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.extend((text.len() as u64).to_le_bytes());
    out.extend(text.as_bytes());
}

fn put_value(out: &mut Vec<u8>, value: &Value) {
    let mut number = |kind: u32, bytes: &[u8]| {
        out.extend(kind.to_le_bytes());
        out.extend(bytes);
    };
    match value {
        Value::U32(value) => number(kind::U32, &value.to_le_bytes()),
        Value::I32(value) => number(kind::I32, &value.to_le_bytes()),
        Value::U64(value) => number(kind::U64, &value.to_le_bytes()),
        Value::I64(value) => number(kind::I64, &value.to_le_bytes()),
        Value::F32(value) => number(kind::F32, &value.to_le_bytes()),
        Value::F64(value) => number(kind::F64, &value.to_le_bytes()),
        Value::Bool(value) => number(kind::BOOL, &[u8::from(*value)]),
        Value::Text(text) => {
            number(kind::TEXT, &[]);
            put_text(out, text);
        }
        Value::Array(list) => {
            number(kind::ARRAY, &[]);
            put_list(out, list);
        }
    }
}

fn put_list(out: &mut Vec<u8>, list: &Array) {
    let mut head = |kind: u32, count: usize| {
        out.extend(kind.to_le_bytes());
        out.extend((count as u64).to_le_bytes());
    };
    match list {
        Array::Texts(texts) => {
            head(kind::TEXT, texts.len());
            texts.iter().for_each(|text| put_text(out, text));
        }
        Array::U32(numbers) => {
            head(kind::U32, numbers.len());
            numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
        }
    }
}
