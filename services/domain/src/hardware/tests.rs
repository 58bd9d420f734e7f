use super::*;
use std::collections::BTreeSet;

/// GLM-4V 9B, as its `config.json` has it.
pub(super) const GLM_4V: Shape = Shape {
    layers: 40,
    key_heads: 2,
    head_width: 128,
    tower: Some(TowerShape {
        positions: 6401,
        hidden: 1792,
        inner: 15360,
        image_tokens: 1602,
    }),
};

const Q4_K_M: u64 = 8_500_000_000;

fn one_page(kv: KvType) -> Usage {
    Usage {
        context: 8192,
        images: 1,
        pages: 1,
        kv,
    }
}

#[test]
fn a_token_of_glm_4v_takes_40_960_bytes_in_f16_and_twice_that_in_f32() {
    let cached = |kv| GLM_4V.memory(Q4_K_M, one_page(kv)).unwrap();
    assert_eq!(cached(KvType::F16).cache_per_token, 40_960);
    assert_eq!(cached(KvType::F16).cache, 320 << 20);
    assert_eq!(cached(KvType::F32).cache_per_token, 81_920);
    assert_eq!(cached(KvType::Q8_0).cache_per_token, 21_760);
}

#[test]
fn the_tower_stays_under_300_megabytes_with_its_rows_in_blocks() {
    let tower = GLM_4V.memory(Q4_K_M, one_page(KvType::F16)).unwrap().tower;
    assert!(tower > 6401 * 1792 * 4 * 4 && tower < 300_000_000, "{tower}");
}

#[test]
fn in_8_5_gigabytes_it_needs_less_than_12_at_its_full_context_in_any_type() {
    for kv in KvType::ALL {
        let memory = GLM_4V.memory(Q4_K_M, one_page(kv)).unwrap();
        assert_eq!(memory.peak, Q4_K_M + memory.cache.max(memory.tower));
        assert_eq!(Verdict::of(memory.peak, 12_000_000_000), Verdict::Runs);
    }
}

#[test]
fn without_images_the_tower_computes_nothing_and_each_page_adds_its_own() {
    let usage = Usage {
        images: 0,
        pages: 3,
        ..one_page(KvType::F32)
    };
    let memory = GLM_4V.memory(100, usage).unwrap();
    assert_eq!(memory.tower, 0);
    assert_eq!(memory.peak, 100 + 3 * 8192 * 81_920);
}

#[test]
fn images_that_do_not_fit_the_context_are_refused_and_a_text_model_takes_none() {
    let usage = Usage {
        images: 6,
        ..one_page(KvType::F16)
    };
    let refused = BadUsage::ImagesDoNotFit {
        images: 6,
        tokens: 9612,
        context: 8192,
    };
    assert_eq!(GLM_4V.memory(1, usage), Err(refused));
    let text = Shape {
        tower: None,
        ..GLM_4V
    };
    assert_eq!(
        text.memory(1, one_page(KvType::F16)),
        Err(BadUsage::TakesNoImages)
    );
}

#[test]
fn the_largest_context_is_the_last_that_fits() {
    let usage = one_page(KvType::F32);
    let at = |context| GLM_4V.memory(Q4_K_M, Usage { context, ..usage }).unwrap().peak;
    assert_eq!(GLM_4V.largest_context(Q4_K_M, usage, at(8192)), Some(8192));
    assert_eq!(GLM_4V.largest_context(Q4_K_M, usage, at(8192) - 1), Some(8191));
    assert_eq!(GLM_4V.largest_context(Q4_K_M, usage, at(5000)), Some(5000));
    // Below the tower's share the context costs nothing more, so there is none that fits.
    assert_eq!(GLM_4V.largest_context(Q4_K_M, usage, at(1602) - 1), None);
    assert_eq!(GLM_4V.largest_context(Q4_K_M, usage, Q4_K_M), None);
}

#[test]
fn a_verdict_leaves_a_tenth_of_the_memory_before_it_says_that_a_model_runs() {
    assert_eq!(Verdict::of(900, 1000), Verdict::Runs);
    assert_eq!(Verdict::of(901, 1000), Verdict::Tight);
    assert_eq!(Verdict::of(1000, 1000), Verdict::Tight);
    assert_eq!(Verdict::of(1001, 1000), Verdict::DoesNotRun);
    assert_eq!(Verdict::of(u64::MAX, u64::MAX), Verdict::Tight);
}

#[test]
fn there_are_at_least_60_machines_of_every_kind_each_with_its_source() {
    let machines = Machines::shipped().unwrap();
    let ids: BTreeSet<&str> = machines.iter().map(|machine| machine.id.as_str()).collect();
    assert_eq!(ids.len(), machines.iter().count(), "two machines have one id");
    assert!(ids.len() >= 60, "{}", ids.len());
    let kinds: BTreeSet<Kind> = machines.iter().map(|machine| machine.kind).collect();
    assert_eq!(kinds.len(), 5);
    for machine in machines.iter() {
        assert!(machine.source.starts_with("https://"), "{}", machine.id);
        assert!(machine.memory_gb > 0, "{}", machine.id);
    }
}

#[test]
fn every_machine_gets_its_verdict() {
    let machines = Machines::shipped().unwrap();
    let (memory, fits) = fits(&GLM_4V, Q4_K_M, one_page(KvType::F32), machines).unwrap();
    let on = |id: &str| {
        fits.iter()
            .find(|fit| fit.machine.id == id)
            .unwrap_or_else(|| panic!("no {id}"))
    };
    assert_eq!(memory.peak, Q4_K_M + 8192 * 81_920);
    assert_eq!(on("geforce-rtx-3060").verdict, Verdict::Runs);
    assert_eq!(on("geforce-rtx-3080-10-gb").verdict, Verdict::Tight);
    assert_eq!(on("geforce-rtx-3070").verdict, Verdict::DoesNotRun);
    assert_eq!(on("geforce-rtx-3070").largest_context_tokens, None);
    // 16 GB that are shared leave 10.7 to the graphics.
    assert_eq!(on("apple-m1-16-gb").verdict, Verdict::Runs);
    assert_eq!(on("apple-m2-8-gb").verdict, Verdict::DoesNotRun);
}
