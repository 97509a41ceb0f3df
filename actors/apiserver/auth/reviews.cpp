#include "actors/apiserver/auth/reviews.hpp"

namespace troupe::apiserver {
namespace {

/// What a review's spec asks for; nothing when it asks for both or neither.
std::optional<wanted_access> access_of(const json& spec) {
  const auto &resource = dig(spec, "resourceAttributes"), &path = dig(spec, "nonResourceAttributes");
  if (resource.is_object() == path.is_object()) return std::nullopt;
  if (path.is_object()) return wanted_access{text_or(dig(path, "verb")), "", "", "", "", "", text_or(dig(path, "path"))};
  return wanted_access{text_or(dig(resource, "verb")), text_or(dig(resource, "group")), text_or(dig(resource, "resource")),
                text_or(dig(resource, "subresource")), text_or(dig(resource, "namespace")), text_or(dig(resource, "name")), ""};
}

std::variant<json, api_error> review_access(const schema::kind& kind, json body, const review_needs& with) {
  const auto& spec = dig(body, "spec");
  const auto what = access_of(spec);
  if (!what)
    return invalid(kind, "", {invalid_value("spec.resourceAttributes", dig(spec, "resourceAttributes"),
                                            "exactly one of nonResourceAttributes or resourceAttributes must be specified")});
  user_info about = with.user;
  if (kind.name != "SelfSubjectAccessReview") {
    about = {text_or(dig(spec, "user")), texts(dig(spec, "groups"))};
    if (about.name.empty() && about.groups.empty())
      return invalid(kind, "", {required_value("spec.user", "at least one of user or group must be specified")});
  }
  if (kind.name == "LocalSubjectAccessReview" && what->ns != with.name)
    return invalid(kind, "", {invalid_value("spec.resourceAttributes.namespace", json(what->ns), "must match metadata.namespace")});
  const auto said = with.may(about, *what);
  body["status"] = {{"allowed", said.allowed}};
  if (!said.reason.empty()) body["status"]["reason"] = said.reason;
  return body;
}

std::variant<json, api_error> review_rules(const schema::kind& kind, json body, const review_needs& with) {
  const auto ns = text_or(dig(body, "spec", "namespace"));
  if (ns.empty()) return bad_request("no namespace on request");
  static_cast<void>(kind);
  json resources = json::array(), paths = json::array();
  for (const auto& rule : with.rules(with.user, ns)) {
    const auto one = rules_json({rule}).front();
    if (!rule.resources.empty()) {
      json shown = one;
      shown.erase("nonResourceURLs");
      resources.push_back(std::move(shown));
    }
    if (!rule.paths.empty()) paths.push_back({{"verbs", rule.verbs}, {"nonResourceURLs", rule.paths}});
  }
  body["status"] = {{"incomplete", false}, {"resourceRules", resources}, {"nonResourceRules", paths}};
  return body;
}

json user_json(const user_info& user) {
  json out{{"username", user.name}, {"groups", user.groups}};
  if (!user.uid.empty()) out["uid"] = user.uid;
  for (const auto& [key, values] : user.extra) out["extra"][key] = values;
  return out;
}

std::variant<json, api_error> review_token(json body, const review_needs& with) {
  const auto token = text_or(dig(body, "spec", "token"));
  if (token.empty()) return bad_request("token is required for TokenReview in authentication");
  const auto audiences = texts(dig(body, "spec", "audiences"));
  auto who = with.who(token, audiences);
  body["spec"].erase("token");   // it has been told; nobody needs to read it back
  if (const auto* no = std::get_if<api_error>(&who)) body["status"] = {{"user", json::object()}, {"error", no->message}};
  else {
    body["status"] = {{"authenticated", true}, {"user", user_json(std::get<user_info>(who))}};
    if (!audiences.empty()) body["status"]["audiences"] = audiences;
  }
  return body;
}

}  // namespace

std::variant<json, api_error> answer_review(const schema::kind& kind, json body, const review_needs& with) {
  body["apiVersion"] = kind.api_version;
  body["kind"] = kind.name;
  if (!body.contains("metadata")) body["metadata"] = {{"creationTimestamp", nullptr}};
  if (kind.name == "SelfSubjectRulesReview") return review_rules(kind, std::move(body), with);
  if (kind.name == "TokenReview") return review_token(std::move(body), with);
  if (kind.name == "SelfSubjectReview") {
    body["status"] = {{"userInfo", user_json(with.user)}};
    return body;
  }
  return review_access(kind, std::move(body), with);
}

}  // namespace troupe::apiserver
