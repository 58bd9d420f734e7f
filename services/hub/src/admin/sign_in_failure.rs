//! Why a sign-in at an issuer opens no session, as visitors are told it in their language. Nothing of it is of tokens.

use crate::oidc::SignInError;
use actix_web::http::StatusCode;
use domain::language::Language;

/// The most characters that are told of what an issuer says.
const MOST_CHARACTERS: usize = 300;

/// See the module's text.
#[derive(Debug)]
pub enum Failure {
    /// The form came from elsewhere.
    FormForeign,
    /// This browser has begun no sign-in, or it is over.
    Lost,
    /// What came back is of another sign-in.
    Mixed,
    /// It has opened a session before.
    Used,
    /// The issuer has sent the browser back with an error.
    Denied {
        /// Its code.
        error: String,
        /// What it says of it.
        description: String,
    },
    /// It has sent the browser back with nothing.
    CodeMissing,
    /// What came of the code.
    Elsewhere(SignInError),
}

impl Failure {
    /// That the issuer says `error`, cut to what can be told.
    pub fn denied(error: &str, description: &str) -> Self {
        let told = |text: &str| {
            let letters = text.chars().filter(|letter| !letter.is_control());
            letters.take(MOST_CHARACTERS).collect()
        };
        Self::Denied {
            error: told(error),
            description: told(description),
        }
    }

    /// The status of the page.
    pub fn status(&self) -> StatusCode {
        match self {
            Failure::Lost | Failure::Mixed | Failure::CodeMissing => StatusCode::BAD_REQUEST,
            Failure::Elsewhere(SignInError::Unknown | SignInError::Foreign) => StatusCode::BAD_REQUEST,
            Failure::Elsewhere(SignInError::Unavailable(_)) => StatusCode::BAD_GATEWAY,
            Failure::FormForeign | Failure::Used | Failure::Denied { .. } | Failure::Elsewhere(_) => {
                StatusCode::FORBIDDEN
            }
        }
    }

    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Failure::FormForeign => "form_foreign",
            Failure::Lost => "sign_in_lost",
            Failure::Mixed => "sign_in_mixed",
            Failure::Used => "sign_in_used",
            Failure::Denied { .. } => "sign_in_denied",
            Failure::CodeMissing => "code_missing",
            Failure::Elsewhere(SignInError::Unknown) => "issuer_unknown",
            Failure::Elsewhere(SignInError::Unavailable(_)) => "issuer_unavailable",
            Failure::Elsewhere(SignInError::Foreign) => "issuer_foreign",
            Failure::Elsewhere(SignInError::Unfit(_)) => "id_token_unfit",
            Failure::Elsewhere(SignInError::Nobody(_)) => "member_unknown",
            Failure::Elsewhere(SignInError::NoRole(_)) => "member_without_role",
        }
    }

    /// What happened and what to do about it.
    pub fn detail(&self, t: Language) -> String {
        let (english, chinese) = match self {
            Failure::Denied { error, description } => {
                return t.of(
                    format!("The issuer has signed nobody in: {error} {description}"),
                    format!("身份提供方未完成登录：{error} {description}"),
                );
            }
            Failure::Elsewhere(error) => elsewhere(error),
            own => own.here(),
        };
        t.of(english, chinese).to_owned()
    }

    fn here(&self) -> (&'static str, &'static str) {
        match self {
            Failure::FormForeign => (
                "The form is not one of this hub's: open the page to sign in again and send it from there.",
                "该表单并非来自本站：请重新打开登录页面并从那里提交。",
            ),
            Failure::Lost => (
                "This browser has begun no sign-in, or it took longer than ten minutes. Begin again.",
                "此浏览器没有进行中的登录，或登录已超过十分钟。请重新登录。",
            ),
            Failure::Mixed => (
                "What came back is not of the sign-in that this browser began last. Begin again.",
                "返回的内容不属于此浏览器最近一次发起的登录。请重新登录。",
            ),
            Failure::Used => (
                "This sign-in has opened its session already. Begin again.",
                "此次登录已打开过会话。请重新登录。",
            ),
            _ => (
                "The issuer has sent you back with nothing to go on with. Begin again.",
                "身份提供方返回时未附带所需内容。请重新登录。",
            ),
        }
    }
}

fn elsewhere(error: &SignInError) -> (&'static str, &'static str) {
    match error {
        SignInError::Unknown => (
            "Members do not sign in with this issuer here.",
            "本站不支持通过该身份提供方登录。",
        ),
        SignInError::Unavailable(_) => (
            "The issuer does not answer as it should. Try again later; the operator finds the cause in the log.",
            "身份提供方未按预期应答。请稍后再试；运维人员可在日志中查看原因。",
        ),
        SignInError::Foreign => (
            "The answer is not from the issuer with which the sign-in was begun. Begin again.",
            "应答并非来自发起登录时所选的身份提供方。请重新登录。",
        ),
        SignInError::Unfit(_) => (
            "What the issuer says of you is not believed. The operator finds the cause in the log.",
            "身份提供方给出的身份信息未通过验证。运维人员可在日志中查看原因。",
        ),
        SignInError::Nobody(_) => (
            "The issuer has signed you in, and names no member or tenant that is known here. Ask the operator of the hub.",
            "身份提供方已完成登录，但未给出本站已知的成员或租户。请联系运维人员。",
        ),
        SignInError::NoRole(_) => (
            "The issuer has signed you in, and you have no role here. Ask the operator of the hub.",
            "身份提供方已完成登录，但您在本站没有任何角色。请联系运维人员。",
        ),
    }
}
