// Questions about identity and rights that are asked as objects and never kept: SubjectAccessReview and its kin, TokenReview,
// SelfSubjectReview. Pure: who answers is handed in.
#pragma once
#include <functional>
#include <variant>

#include "actors/apiserver/auth/rbac.hpp"

namespace troupe::apiserver {

struct review_needs {
  user_info user;                                                       ///< Who asks.
  std::function<verdict(const user_info&, const wanted_access&)> may;
  std::function<std::vector<policy_rule>(const user_info&, const std::string& ns)> rules;
  /// Whose a token is; the error's note says why nobody's. Audiences: those that the asker belongs to.
  std::function<std::variant<user_info, api_error>(const std::string& token, const std::vector<std::string>& audiences)> who;
  std::string name;                                                     ///< Of the path's namespace, for the local one.
};

/// The object that was asked, with its status; or why it cannot be answered.
std::variant<json, api_error> answer_review(const schema::kind& kind, json body, const review_needs& with);

}  // namespace troupe::apiserver
