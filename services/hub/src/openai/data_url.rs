//! Images as they stand in a request: `data:image/png;base64,…`.

use base64::{Engine as _, engine::general_purpose::STANDARD};

/// The bytes of a data URL with what they are said to be.
#[derive(Debug, PartialEq, Eq)]
pub struct Image {
    /// The essence of the media type.
    pub media_type: String,
    /// What it holds.
    pub bytes: Vec<u8>,
}

/// The URL is neither of http nor a data URL in base64.
#[derive(Debug, PartialEq, Eq)]
pub struct BadUrl;

/// Where the image of a URL is.
#[derive(Debug, PartialEq, Eq)]
pub enum Picture {
    /// In the URL itself.
    Here(Image),
    /// Where the URL leads.
    Elsewhere(String),
}

/// Reads the URL of an image.
pub fn read(url: &str) -> Result<Picture, BadUrl> {
    let scheme = |name: &str| {
        url.get(..name.len())
            .filter(|start| start.eq_ignore_ascii_case(name))
    };
    if scheme("http:").or(scheme("https:")).is_some() {
        return Ok(Picture::Elsewhere(url.to_owned()));
    }
    scheme("data:").ok_or(BadUrl)?;
    let (head, data) = url["data:".len()..].split_once(',').ok_or(BadUrl)?;
    let media_type = head.split(';').next().unwrap_or_default().trim();
    let last = head.rsplit(';').next().unwrap_or_default().trim();
    if media_type.is_empty() || !last.eq_ignore_ascii_case("base64") {
        return Err(BadUrl);
    }
    Ok(Picture::Here(Image {
        media_type: media_type.to_ascii_lowercase(),
        bytes: STANDARD.decode(data.trim()).map_err(|_| BadUrl)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_in_base64_is_read_with_its_type() {
        for url in [
            "data:image/png;base64,AQID",
            "DATA:Image/PNG;charset=x;BASE64,AQID",
        ] {
            let image = Image {
                media_type: "image/png".into(),
                bytes: vec![1, 2, 3],
            };
            assert_eq!(read(url), Ok(Picture::Here(image)));
        }
    }

    #[test]
    fn whatever_leads_elsewhere_is_kept_and_the_rest_refused() {
        for url in ["http://a/b.png", "HTTPS://a/b.png"] {
            assert_eq!(read(url), Ok(Picture::Elsewhere(url.into())));
        }
        for url in [
            "",
            "AQID",
            "file:///etc/passwd",
            "data:image/png;base64",
            "data:image/png,AQID",
            "data:;base64,AQID",
            "data:image/png;base64,A",
            "日本",
        ] {
            assert_eq!(read(url), Err(BadUrl), "{url}");
        }
    }
}
