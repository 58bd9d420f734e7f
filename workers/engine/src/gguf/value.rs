//! What a file says about its model: values under keys.

/// A value of the kinds that are used here. Numbers of other widths are read into the nearest wider kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    U32(u32),
    I32(i32),
    U64(u64),
    I64(i64),
    F32(f32),
    F64(f64),
    Bool(bool),
    Text(String),
    Array(Array),
}

/// A list of one kind.
#[derive(Debug, Clone, PartialEq)]
pub enum Array {
    Texts(Vec<String>),
    U32(Vec<u32>),
}

/// The numbers of kinds in files.
pub(super) mod kind {
    pub const U8: u32 = 0;
    pub const I8: u32 = 1;
    pub const U16: u32 = 2;
    pub const I16: u32 = 3;
    pub const U32: u32 = 4;
    pub const I32: u32 = 5;
    pub const F32: u32 = 6;
    pub const BOOL: u32 = 7;
    pub const TEXT: u32 = 8;
    pub const ARRAY: u32 = 9;
    pub const U64: u32 = 10;
    pub const I64: u32 = 11;
    pub const F64: u32 = 12;
}

/// Bytes of one value of a kind of fixed size.
pub(super) fn fixed_size(kind: u32) -> Option<u64> {
    match kind {
        kind::U8 | kind::I8 | kind::BOOL => Some(1),
        kind::U16 | kind::I16 => Some(2),
        kind::U32 | kind::I32 | kind::F32 => Some(4),
        kind::U64 | kind::I64 | kind::F64 => Some(8),
        _ => None,
    }
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The texts, if it is a list of them.
    pub fn as_texts(&self) -> Option<&[String]> {
        match self {
            Value::Array(Array::Texts(texts)) => Some(texts),
            _ => None,
        }
    }

    /// The whole number, if it is one that is not negative.
    pub fn as_count(&self) -> Option<u64> {
        match *self {
            Value::U32(number) => Some(u64::from(number)),
            Value::U64(number) => Some(number),
            Value::I32(number) => u64::try_from(number).ok(),
            Value::I64(number) => u64::try_from(number).ok(),
            _ => None,
        }
    }
}
