use super::*;
use proptest::prelude::*;

fn sample() -> (Vec<(String, Value)>, Vec<Described>) {
    let values = vec![
        ("general.name".to_owned(), Value::Text("读者".into())),
        (
            "a.list".to_owned(),
            Value::Array(Array::Texts(vec!["x".into(), String::new()])),
        ),
        ("b.numbers".to_owned(), Value::Array(Array::U32(vec![3, 5]))),
        ("c.flag".to_owned(), Value::Bool(true)),
        ("d.real".to_owned(), Value::F32(0.5)),
        ("e.whole".to_owned(), Value::I64(-4)),
    ];
    let tensor = |name: &str, kind, shape: &[usize]| Described {
        name: name.into(),
        kind,
        shape: shape.into(),
    };
    let tensors = vec![
        tensor("one", TensorType::F32, &[3]),
        tensor("two", TensorType::Quant(QuantType::Q4K), &[2, 512]),
        tensor("three", TensorType::Bf16, &[2, 3, 4]),
    ];
    (values, tensors)
}

fn written() -> (Vec<u8>, Layout) {
    let (values, tensors) = sample();
    let mut file = Vec::new();
    let layout = write_header(&mut file, &values, &tensors).unwrap();
    file.resize(layout.end as usize, 7);
    (file, layout)
}

#[test]
fn what_was_written_is_read() {
    let ((values, tensors), (file, layout)) = (sample(), written());
    let header = Header::read(&file).unwrap();
    assert_eq!(header.values, values.into_iter().collect());
    for (tensor, start) in tensors.iter().zip(layout.starts) {
        let place = &header.tensors[&tensor.name];
        assert_eq!((place.kind, &place.shape), (tensor.kind, &tensor.shape));
        let bytes = tensor.bytes().unwrap();
        assert_eq!(place.bytes, start as usize..start as usize + bytes);
        assert!(place.bytes.start.is_multiple_of(32));
    }
}

#[test]
fn a_file_that_was_cut_off_is_refused_wherever_it_ends() {
    let (file, layout) = written();
    for end in 0..layout.header as usize {
        assert!(Header::read(&file[..end]).is_err(), "{end} bytes were read");
    }
    let error = Header::read(&file[..layout.starts[2] as usize]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "tensor three reaches beyond the end of the file"
    );
}

#[test]
fn other_files_and_versions_are_named() {
    assert_eq!(Header::read(b"PK\x03\x04abcdef"), Err(GgufError::NotGguf));
    let (mut file, _) = written();
    file[4] = 2;
    assert_eq!(Header::read(&file), Err(GgufError::Version(2)));
}

#[test]
fn rows_that_are_no_whole_blocks_are_not_described() {
    let odd = Described {
        name: "odd".into(),
        kind: TensorType::Quant(QuantType::Q6K),
        shape: vec![1, 300],
    };
    let error = write_header(&mut Vec::new(), &[], &[odd]).unwrap_err();
    assert!(error.to_string().contains("odd"), "{error}");
}

proptest! {
    /// Counts and lengths of a hostile file promise anything; nothing is set aside for what is not there.
    #[test]
    fn a_damaged_header_is_refused_or_read_but_never_harms(at: prop::sample::Index, with: [u8; 8]) {
        let (mut file, layout) = written();
        let at = at.index(layout.header as usize - 8);
        file[at..at + 8].copy_from_slice(&with);
        if let Ok(header) = Header::read(&file) {
            prop_assert!(header.tensors.values().all(|place| place.bytes.end <= file.len()));
        }
    }
}
