//! A family tree as SVG: generations from left to right, every model a box of the same size, so that 200 of them are as
//! readable as two. The picture grows and is scrolled; text is never made smaller.

use domain::{
    family_tree::{FamilyTree, Member},
    language::Language,
    license::Permission,
    names::ModelName,
    purpose::Purpose,
};
use std::{collections::HashMap, fmt::Write};

const WIDTH: usize = 250;
const HEIGHT: usize = 58;
const ACROSS: usize = WIDTH + 70;
const DOWN: usize = HEIGHT + 18;
const MARGIN: usize = 12;
/// The most characters of a name in a box; the whole name is its tooltip, and is in the list beside the picture.
const NAME_LIMIT: usize = 32;

/// The picture, with names that lead to the models' pages.
pub fn svg(tree: &FamilyTree, t: Language) -> String {
    let places = places(tree);
    let right = places.values().map(|(x, _)| x + WIDTH).max().unwrap_or(WIDTH);
    let bottom = places.values().map(|(_, y)| y + HEIGHT).max().unwrap_or(HEIGHT);
    let (width, height) = (right + MARGIN, bottom + MARGIN);
    let label = t.of("Lineage: what was made from what", "谱系：各模型由何而来");
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"tree\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"group\" aria-label=\"{label}\" font-family=\"sans-serif\" \
         font-size=\"13\" fill=\"currentColor\">"
    );
    for edge in &tree.edges {
        if let (Some(from), Some(to)) = (places.get(&edge.parent), places.get(&edge.child)) {
            let tightens = tree
                .get(&edge.child)
                .is_some_and(|child| child.tightened_by.as_ref() == Some(&edge.parent));
            line(&mut out, *from, *to, edge.relation.as_str(), tightens);
        }
    }
    for member in &tree.models {
        if let Some(&place) = places.get(&member.model) {
            boxed(&mut out, member, place, member.model == tree.model, t);
        }
    }
    out.push_str("</svg>");
    out
}

fn places(tree: &FamilyTree) -> HashMap<&ModelName, (usize, usize)> {
    let mut rows: HashMap<usize, usize> = HashMap::new();
    let mut place = |member: &Member| {
        let row = rows.entry(member.generation).or_default();
        let at = (MARGIN + member.generation * ACROSS, MARGIN + *row * DOWN);
        *row += 1;
        at
    };
    tree.models
        .iter()
        .map(|member| (&member.model, place(member)))
        .collect()
}

fn line(out: &mut String, from: (usize, usize), to: (usize, usize), relation: &str, tightens: bool) {
    let (x1, y1) = (from.0 + WIDTH, from.1 + HEIGHT / 2);
    let (x2, y2) = (to.0, to.1 + HEIGHT / 2);
    let middle = x1.midpoint(x2);
    let (stroke, dashes) = match tightens {
        true => ("#c0392b", " stroke-width=\"3\""),
        false => ("currentColor", " stroke-opacity=\"0.5\""),
    };
    // Writing into a text cannot fail.
    let _ = write!(
        out,
        "<path d=\"M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}\" fill=\"none\" \
         stroke=\"{stroke}\"{dashes}><title>{relation}</title></path>"
    );
}

fn boxed(out: &mut String, member: &Member, (x, y): (usize, usize), own: bool, t: Language) {
    let name = escaped(member.model.as_str());
    let short: String = match member.model.as_str().chars().count() > NAME_LIMIT {
        true => member
            .model
            .as_str()
            .chars()
            .take(NAME_LIMIT - 1)
            .chain(['…'])
            .collect(),
        false => member.model.to_string(),
    };
    let license = member
        .license
        .as_ref()
        .map_or(t.of("not registered", "未登记").to_owned(), |license| {
            license.to_string()
        });
    let permission = member
        .permissions
        .get(&Purpose::Commercial)
        .copied()
        .unwrap_or(Permission::Unknown);
    let stroke = if own { 3 } else { 1 };
    let (text_x, name_y, license_y) = (x + 10, y + 23, y + 44);
    let content = format!(
        "<rect x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"6\" fill=\"none\" \
         stroke=\"currentColor\" stroke-width=\"{stroke}\"/><text x=\"{text_x}\" y=\"{name_y}\">{}</text>\
         <text x=\"{text_x}\" y=\"{license_y}\" fill-opacity=\"0.75\">{} · {} {}</text><title>{name}</title>",
        escaped(&short),
        escaped(&license),
        t.of("commercial:", "商用："),
        permitted(permission, t),
    );
    let _ = match member.license {
        Some(_) => write!(
            out,
            "<a href=\"/models/{name}?lang={}\">{content}</a>",
            t.as_str()
        ),
        None => write!(out, "<g>{content}</g>"),
    };
}

/// A permission in words.
pub fn permitted(permission: Permission, t: Language) -> &'static str {
    match permission {
        Permission::Permitted => t.of("permitted", "允许"),
        Permission::Unknown => t.of("unknown", "未知"),
        Permission::Prohibited => t.of("prohibited", "禁止"),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::{
        license::Licenses,
        lineage::{LineageEdge, Relation},
    };

    #[test]
    fn two_hundred_models_have_boxes_of_one_size_that_do_not_overlap() {
        let name = |number: usize| -> ModelName {
            format!("acme/model-with-a-rather-long-name-{number}")
                .parse()
                .unwrap()
        };
        let edges = (1..200).map(|number| LineageEdge {
            parent: name(number / 8),
            child: name(number),
            relation: Relation::Finetune,
            evidence: "told".into(),
        });
        let known = (0..200)
            .map(|number| (name(number), "mit".parse().unwrap()))
            .collect();
        let tree = FamilyTree::of(&name(7), edges.collect(), &known, &Licenses::shipped().unwrap());
        let places = places(&tree);
        let mut all: Vec<(usize, usize)> = places.values().copied().collect();
        all.sort_unstable();
        assert_eq!(all.len(), 200);
        for pair in all.windows(2) {
            assert!(
                pair[1].0 - pair[0].0 >= ACROSS || pair[1].1 - pair[0].1 >= DOWN,
                "{pair:?}"
            );
        }
        let svg = svg(&tree, Language::English);
        assert_eq!(svg.matches("<rect ").count(), 200);
        assert_eq!(svg.matches("<path ").count(), 199);
        assert_eq!(svg.matches("<a href=\"/models/acme/").count(), 200);
    }

    #[test]
    fn the_edge_that_tightens_is_drawn_thick() {
        let edge = LineageEdge {
            parent: "a/base".parse().unwrap(),
            child: "a/own".parse().unwrap(),
            relation: Relation::Merge,
            evidence: "told".into(),
        };
        let known = HashMap::from([
            ("a/base".parse().unwrap(), "cc-by-nc-4.0".parse().unwrap()),
            ("a/own".parse().unwrap(), "mit".parse().unwrap()),
        ]);
        let tree = FamilyTree::of(
            &"a/own".parse().unwrap(),
            vec![edge],
            &known,
            &Licenses::shipped().unwrap(),
        );
        let svg = svg(&tree, Language::Chinese);
        assert!(svg.contains("stroke-width=\"3\"><title>merge</title>"), "{svg}");
        assert!(svg.contains("商用： 禁止"), "{svg}");
    }
}
