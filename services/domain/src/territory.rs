//! Territories by their codes, and sets of them that a license names or leaves out.

use crate::language::Language;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{collections::BTreeSet, fmt, str::FromStr};

/// The codes of ISO 3166-1 alpha-2.
const CODES: &str = "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW \
    BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI \
    FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN \
    IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME \
    MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF \
    PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV \
    SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS YE \
    YT ZA ZM ZW";

/// A country or another territory that has a code in ISO 3166-1 alpha-2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Territory(&'static str);

/// The text is no code of a territory.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a territory is a code of ISO 3166-1 in two capital letters, such as CN or DE; unions of states have none"
)]
pub struct BadTerritory;

impl Territory {
    /// The code.
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl FromStr for Territory {
    type Err = BadTerritory;

    fn from_str(text: &str) -> Result<Self, BadTerritory> {
        let found = CODES.split(' ').find(|code| *code == text);
        found.map(Self).ok_or(BadTerritory)
    }
}

impl fmt::Display for Territory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Territory {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0)
    }
}

impl<'de> Deserialize<'de> for Territory {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

/// Where something is permitted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Territories {
    /// In these alone.
    Only(BTreeSet<Territory>),
    /// In all but these.
    Except(BTreeSet<Territory>),
}

impl Territories {
    /// Whether `territory` is among them.
    pub fn contains(&self, territory: Territory) -> bool {
        match self {
            Territories::Only(these) => these.contains(&territory),
            Territories::Except(these) => !these.contains(&territory),
        }
    }

    /// What is left when both must hold.
    pub fn and(&self, other: &Territories) -> Territories {
        use Territories::{Except, Only};
        match (self, other) {
            (Only(one), Only(two)) => Only(one & two),
            (Only(one), Except(two)) | (Except(two), Only(one)) => Only(one - two),
            (Except(one), Except(two)) => Except(one | two),
        }
    }

    /// Where that is, in words of this language.
    pub fn told(&self, language: Language) -> String {
        let listed = |these: &BTreeSet<Territory>| {
            let codes: Vec<&str> = these.iter().map(|territory| territory.as_str()).collect();
            codes.join(language.of(", ", "、"))
        };
        match self {
            Territories::Only(these) if these.is_empty() => language.of("nowhere", "任何地区都不允许").into(),
            Territories::Only(these) => format!("{} {}", language.of("only in", "仅限"), listed(these)),
            Territories::Except(these) => {
                let listed = listed(these);
                language.of(
                    format!("everywhere but in {listed}"),
                    format!("{listed} 以外的地区"),
                )
            }
        }
    }
}

impl fmt::Display for Territories {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told(Language::English))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(codes: &str) -> BTreeSet<Territory> {
        codes.split(' ').map(|code| code.parse().unwrap()).collect()
    }

    #[test]
    fn a_code_reads_back_and_what_is_none_is_refused() {
        assert_eq!(CODES.split(' ').count(), 249);
        assert!(CODES.split(' ').is_sorted());
        let china: Territory = serde_json::from_str("\"CN\"").unwrap();
        assert_eq!(serde_json::to_string(&china).unwrap(), "\"CN\"");
        for bad in ["", "cn", "EU", "UK", "CHN", "CN DE", " "] {
            assert_eq!(bad.parse::<Territory>(), Err(BadTerritory), "{bad}");
        }
    }

    #[test]
    fn territories_are_told_in_words() {
        assert_eq!(Territories::Only(set("DE CN")).to_string(), "only in CN, DE");
        assert_eq!(Territories::Except(set("FR")).to_string(), "everywhere but in FR");
        assert_eq!(Territories::Only(BTreeSet::new()).to_string(), "nowhere");
        let chinese = |these: Territories| these.told(Language::Chinese);
        assert_eq!(chinese(Territories::Only(set("DE CN"))), "仅限 CN、DE");
        assert_eq!(chinese(Territories::Except(set("FR"))), "FR 以外的地区");
    }

    fn any_territories() -> impl Strategy<Value = Territories> {
        let some = proptest::sample::subsequence(vec!["CN", "DE", "FR", "US"], 0..=4);
        let some = some.prop_map(|codes| codes.iter().map(|code| code.parse().unwrap()).collect());
        (some, any::<bool>()).prop_map(|(these, only)| match only {
            true => Territories::Only(these),
            false => Territories::Except(these),
        })
    }

    proptest! {
        #[test]
        fn what_is_left_of_two_is_what_is_in_both(one in any_territories(), two in any_territories()) {
            for territory in set("CN DE FR US BR") {
                let both = one.contains(territory) && two.contains(territory);
                prop_assert_eq!(one.and(&two).contains(territory), both);
                prop_assert_eq!(two.and(&one).contains(territory), both);
            }
        }
    }
}
