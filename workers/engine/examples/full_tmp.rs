use std::time::Instant;
use engine::*;
use engine::prompt::Conversation;
use std::ops::ControlFlow;
fn peak() -> String { std::fs::read_to_string("/proc/self/status").unwrap().lines().filter(|l| l.starts_with("VmHWM") || l.starts_with("VmRSS")|| l.starts_with("RssAnon")).collect::<Vec<_>>().join(" ") }
fn main() {
    let dtype: WeightType = std::env::args().nth(1).unwrap().parse().unwrap();
    let dir = std::path::Path::new("/tmp/full");
    let t = Instant::now();
    let engine = Engine::load(dir, &LoadOptions { dtype }).unwrap();
    println!("load {:.1?} {}", t.elapsed(), peak());
    let page = pages::decode(&std::fs::read(dir.join("input.png")).unwrap(), &pages::Limits::default()).unwrap();
    let t = Instant::now();
    let encoded = engine.encode_page_observed(&page, &mut |p| { println!("block {} {:.2?} {}", p.blocks_done, t.elapsed(), peak()); ControlFlow::Continue(()) }).unwrap();
    println!("tower {:.2?} {}", encoded.took, peak());
    let mut s = engine.open_page(&encoded);
    for q in ["hello", "what is this"] {
        let a = engine.answer(&Conversation::question(q, true).unwrap(), Some(&mut s), &Parameters { max_new_tokens: Some(20), ignore_eos: true, ..Default::default() }, &mut |_| ControlFlow::Continue(())).unwrap();
        println!("{:?} {}", a.timings, peak());
    }
}
