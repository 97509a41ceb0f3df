#include "actors/apiserver/auth/guard.hpp"

#include "actors/apiserver/auth/node_relations.hpp"
#include "actors/apiserver/auth/pod_admission.hpp"
#include "actors/apiserver/auth/reviews.hpp"
#include "actors/apiserver/respond.hpp"
#include "actors/apiserver/wire/decode.hpp"
#include "actors/registration/bootstrap_token.hpp"
#include "actors/registration/token.hpp"

namespace troupe::apiserver {
namespace {

constexpr std::string_view rbac_group = "rbac.authorization.k8s.io";

std::string uid_of(const std::optional<json>& object) { return object ? text_or(dig(*object, "metadata", "uid")) : std::string(); }

std::optional<json> find_in(const model::snapshot& all, const std::string& key) {
  const auto doc = all.find(key);
  if (!doc) return std::nullopt;
  return model::parse(*doc);
}

bool is_role(const schema::kind& kind) { return kind.plural == "roles" || kind.plural == "clusterroles"; }

}  // namespace

guard::guard(const rt::world& in, guard_config config, objects all)
    : world_(&in), config_(std::move(config)), all_(std::move(all)), tokens_(*in.issuer, config_.tokens) {
  accepted_ = {config_.bearer_server, config_.bearer_agent, {}, {}, {}};
}

void guard::use_passwords(secret_text server, secret_text agent) { accepted_.server = std::move(server), accepted_.agent = std::move(agent); }

const schema::kind& guard::kind_of(std::string_view group, std::string_view plural) const { return *schema::find(group, "v1", plural); }

std::optional<json> guard::object(std::string_view group, std::string_view plural, const std::string& key) const {
  return find_in(all_(kind_of(group, plural)), key);
}

void guard::hear(const schema::kind& kind) {
  if (kind.group == rbac_group) book_.reset();
}

const rbac_book& guard::book() {
  if (book_) return *book_;
  auto made = std::make_shared<rbac_book>();
  for (const char* plural : {"roles", "clusterroles", "rolebindings", "clusterrolebindings"}) made->set(plural, all_(kind_of(rbac_group, plural)));
  book_ = std::move(made);
  return *book_;
}

// --- who ---------------------------------------------------------------------------------------

std::variant<user_info, api_error> guard::identify(const net::http::request& ask) {
  accepted_.bootstrap = [this](std::string_view token) { return bootstrapper(token); };
  accepted_.account = [this](std::string_view token) -> std::optional<user_info> {
    if (!account_tokens::looks_like_one(token)) return std::nullopt;
    auto who = holder(token, config_.tokens.audiences);
    if (auto* user = std::get_if<user_info>(&who)) return std::move(*user);
    return std::nullopt;
  };
  accepted_.may_impersonate = [this](const user_info& user, std::string_view group, std::string_view resource, const std::string& ns, const std::string& name) {
    return decide_access(user, {"impersonate", std::string(group), std::string(resource), "", ns, name, ""}).allowed;
  };
  return apiserver::identify(ask, accepted_);
}

std::optional<user_info> guard::bootstrapper(std::string_view token) const {
  if (!registration::is_bootstrap_token(token)) return std::nullopt;
  const auto kept = object("", "secrets", "kube-system/bootstrap-token-" + std::string(token.substr(0, 6)));
  if (!kept) return std::nullopt;
  auto who = registration::judge_bootstrap_token(*kept, token, world_->wall->now());
  if (!who.ok()) return std::nullopt;
  return user_info{std::move(who->name), std::move(who->groups)};
}

result<account_claims> guard::read_token(std::string_view token) {
  const auto now = world_->wall->now();
  const auto digest = world_->issuer->sha256(token);
  if (const auto found = believed_.find(digest); found != believed_.end()) {
    if (found->second.claims.expires > now) return found->second.claims;
    believed_.erase(found);
  }
  auto claims = tokens_.read(token, now);
  if (!claims.ok()) return claims;
  if (believed_.size() >= config_.believed_max) believed_.clear();
  believed_.emplace(digest, believed{*claims});
  return claims;
}

/// What of that which a token depends on is gone; "" when all of it is there.
std::string guard::why_void(const account_claims& claims) const {
  if (uid_of(object("", "serviceaccounts", claims.ns + "/" + claims.account)) != claims.uid) return "service account has been deleted";
  const auto& bound = claims.bound;
  if (bound.kind == "Pod" && uid_of(object("", "pods", claims.ns + "/" + bound.name)) != bound.uid) return "the pod that the token is bound to has been deleted";
  if (bound.kind == "Secret" && uid_of(object("", "secrets", claims.ns + "/" + bound.name)) != bound.uid) return "the secret that the token is bound to has been deleted";
  if (bound.kind == "Node" && uid_of(object("", "nodes", bound.name)) != bound.uid) return "the node that the token is bound to has been deleted";
  return {};
}

std::variant<user_info, api_error> guard::holder(std::string_view token, const std::vector<std::string>& audiences) {
  const auto refuse = [](const std::string& why) {
    auto out = unauthorized();
    out.message = why;
    return out;
  };
  const auto claims = read_token(token);
  if (!claims.ok()) return refuse(claims.why().note);
  const auto& meant = audiences.empty() ? config_.tokens.audiences : audiences;
  bool ours = false;
  for (const auto& one : claims->audiences) ours = ours || std::find(meant.begin(), meant.end(), one) != meant.end();
  if (!ours) return refuse("the token is meant for other audiences");
  if (const auto why = why_void(*claims); !why.empty()) return refuse(why);
  user_info out{"system:serviceaccount:" + claims->ns + ":" + claims->account,
                {"system:serviceaccounts", "system:serviceaccounts:" + claims->ns}, claims->uid, {}};
  if (!claims->id.empty()) out.extra.push_back({"authentication.kubernetes.io/credential-id", {"JTI=" + claims->id}});
  if (claims->bound.kind == "Pod") {
    out.extra.push_back({"authentication.kubernetes.io/pod-name", {claims->bound.name}});
    out.extra.push_back({"authentication.kubernetes.io/pod-uid", {claims->bound.uid}});
  }
  if (!claims->node.empty()) out.extra.push_back({"authentication.kubernetes.io/node-name", {claims->node}});
  return out;
}

// --- may they ----------------------------------------------------------------------------------

verdict guard::decide(const user_info& user, const target& asked) {
  const auto relations = [this](std::string_view node, std::string_view plural, std::string_view ns, std::string_view name) {
    return node_uses(all_(kind_of("", "pods")), node, plural, ns, name);
  };
  auto said = authorize(user, asked, relations);
  if (said.allowed || !book().allows(user, access_of(asked))) return said;
  return {true, {}};
}

verdict guard::decide_access(const user_info& user, const wanted_access& what) {
  if (std::find(user.groups.begin(), user.groups.end(), group_masters) != user.groups.end()) return {true, {}};
  std::string why;
  if (book().allows(user, what, &why)) return {true, why};
  if (!what.path.empty()) return {};
  // What the authorizer of nodes says, it says of requests.
  for (const auto& kind : schema::kinds()) {
    if (kind.group != what.group || kind.plural != what.resource) continue;
    target asked;
    asked.kind = &kind;
    for (const auto one : {verb::get, verb::list, verb::watch, verb::create, verb::update, verb::patch, verb::remove, verb::remove_collection})
      if (to_string(one) == what.verb) asked.what = one;
    if (to_string(asked.what) != what.verb) return {};
    for (const auto& sub : kind.subresources)
      if (sub.name == what.subresource) asked.sub = &sub;
    asked.subresource = what.subresource;
    asked.ns = what.ns;
    asked.name = what.name;
    return decide(user, asked);
  }
  return {};
}

// --- what is asked as objects ------------------------------------------------------------------

bool guard::answers(const target& asked) const {
  if (!asked.kind) return asked.path == "/openid/v1/jwks" || asked.path == "/.well-known/openid-configuration";
  return asked.kind->asked_only || asked.subresource == "token";
}

void guard::answer(const user_info& user, const target& asked, const net::http::request& ask, net::http::exchange& to, std::string_view server) {
  if (!asked.kind) {
    if (ask.method != "GET" && ask.method != "HEAD") return respond_error(to, method_not_allowed(ask.method, asked.path));
    const bool keys = asked.path == "/openid/v1/jwks";
    return respond_body(to, 200, keys ? "application/jwk-set+json" : "application/json", keys ? tokens_.key_set() : tokens_.discovery(server));
  }
  if (asked.subresource == "token") return grant_token(asked, ask, to);
  auto body = decode_body(ask.headers.get("content-type"), ask.body, *asked.kind, asked.subresource, asked.ask.validation);
  if (auto* bad = std::get_if<api_error>(&body)) return respond_error(to, *bad);
  review_needs with;
  with.user = user;
  with.name = asked.ns;
  with.may = [this](const user_info& who, const wanted_access& what) { return decide_access(who, what); };
  with.rules = [this](const user_info& who, const std::string& ns) {
    auto rules = book().rules_for(who, ns);
    if (std::find(who.groups.begin(), who.groups.end(), group_masters) != who.groups.end() && rules.empty())
      rules = {{{"*"}, {"*"}, {"*"}, {}, {}}, {{"*"}, {}, {}, {}, {"*"}}};
    return rules;
  };
  with.who = [this](const std::string& token, const std::vector<std::string>& audiences) {
    auto who = holder(token, audiences);
    if (auto* known = std::get_if<user_info>(&who)) known->groups.emplace_back(group_authenticated);
    return who;
  };
  auto said = answer_review(*asked.kind, std::move(std::get<decoded>(body).object), with);
  if (auto* bad = std::get_if<api_error>(&said)) return respond_error(to, *bad);
  respond_body(to, 201, "application/json", to_text(std::get<json>(said)));
}

std::optional<api_error> guard::bind_token(account_claims& claims) const {
  auto& bound = claims.bound;
  if (bound.kind.empty()) return std::nullopt;
  const auto* plural = bound.kind == "Pod" ? "pods" : bound.kind == "Secret" ? "secrets" : "nodes";
  const auto found = object("", plural, bound.kind == "Node" ? bound.name : claims.ns + "/" + bound.name);
  const auto& kind = kind_of("", plural);
  if (!found) return not_found(kind, bound.name);
  const auto uid = uid_of(found);
  if (!bound.uid.empty() && bound.uid != uid)
    return conflict(kind, bound.name, "the UID in the bound object reference (" + bound.uid + ") does not match the UID in record. The object might have been deleted and then recreated");
  bound.uid = uid;
  if (bound.kind != "Pod") return std::nullopt;
  if (text_or(dig(*found, "spec", "serviceAccountName")) != claims.account)
    return bad_request("cannot bind token for serviceaccount \"" + claims.account + "\" to pod running with different serviceaccount name.");
  claims.node = text_or(dig(*found, "spec", "nodeName"));
  if (!claims.node.empty()) claims.node_uid = uid_of(object("", "nodes", claims.node));
  return std::nullopt;
}

void guard::grant_token(const target& asked, const net::http::request& ask, net::http::exchange& to) {
  auto body = decode_body(ask.headers.get("content-type"), ask.body, *asked.kind, asked.subresource, asked.ask.validation);
  if (auto* bad = std::get_if<api_error>(&body)) return respond_error(to, *bad);
  auto& wanted = std::get<decoded>(body).object;
  const auto account = object("", "serviceaccounts", asked.ns + "/" + asked.name);
  if (!account) return respond_error(to, not_found(*asked.kind, asked.name));
  auto claims = plan_token(*account, dig(wanted, "spec"), config_.tokens, world_->wall->now());
  if (!claims.ok()) return respond_error(to, invalid(*asked.kind, asked.name, {invalid_value("spec.expirationSeconds", dig(wanted, "spec", "expirationSeconds"), claims.why().note)}));
  if (auto bad = bind_token(*claims)) return respond_error(to, *bad);
  claims->id = world_->chance->uuid();
  auto token = tokens_.issue(*claims);
  if (!token.ok()) return respond_error(to, internal_error(token.why().note));
  json answer{{"kind", "TokenRequest"}, {"apiVersion", "authentication.k8s.io/v1"},
              {"metadata", {{"name", asked.name}, {"namespace", asked.ns}, {"creationTimestamp", to_rfc3339(world_->wall->now())}}}};
  answer["spec"] = dig(wanted, "spec").is_object() ? dig(wanted, "spec") : json::object();
  answer["spec"]["audiences"] = claims->audiences;
  answer["status"] = {{"token", *token}, {"expirationTimestamp", to_rfc3339(claims->expires)}};
  respond_body(to, 201, "application/json", to_text(answer));
}

// --- what may be written -----------------------------------------------------------------------

bool guard::lacks_account(const target& asked) const {
  if (asked.what != verb::create || !asked.kind || asked.kind->plural != "pods" || !asked.subresource.empty()) return false;
  return all_(kind_of("", "namespaces")).find(asked.ns) && !all_(kind_of("", "serviceaccounts")).find(asked.ns + "/default");
}

admission guard::admit(const user_info& user, const target& asked) {
  if (!asked.kind || !asked.subresource.empty()) return nullptr;
  if (asked.kind->group == rbac_group) return admit_role(user, asked);
  if (asked.kind->plural == "secrets" && asked.kind->group.empty()) return admit_secret(asked);
  if (asked.kind->plural != "pods" || !asked.kind->group.empty() || asked.what != verb::create) return nullptr;
  // Snapshots never change: the keeper may look into them on its own thread.
  return [pods = asked.kind, accounts = all_(kind_of("", "serviceaccounts")), classes = all_(kind_of("scheduling.k8s.io", "priorityclasses"))](json& pod) {
    pod_surroundings around;
    around.account = [&](const std::string& ns, const std::string& name) { return find_in(accounts, ns + "/" + name); };
    around.priority_class = [&](const std::string& name) { return find_in(classes, name); };
    around.default_priority_class = [&] {
      std::optional<json> out;
      classes.each("", [&](const model::document_ptr& doc) {
        auto one = model::parse(*doc);
        const auto& is_default = dig(one, "globalDefault");
        if (is_default.is_boolean() && is_default.get<bool>()) out = std::move(one);
        return !out;
      });
      return out;
    };
    return admit_pod(*pods, pod, around);
  };
}

admission guard::admit_secret(const target& asked) {
  if (asked.what != verb::create && asked.what != verb::update && asked.what != verb::patch) return nullptr;
  token_surroundings around;
  around.fresh = asked.what == verb::create;
  around.account = [accounts = all_(kind_of("", "serviceaccounts"))](const std::string& ns, const std::string& name) { return find_in(accounts, ns + "/" + name); };
  around.root_ca = [maps = all_(kind_of("", "configmaps"))](const std::string& ns) {
    const auto found = find_in(maps, ns + "/kube-root-ca.crt");
    return found ? text_or(dig(*found, "data", "ca.crt")) : std::string();
  };
  around.issue = [tokens = tokens_, now = world_->wall->now(), id = world_->chance->uuid()](const json& account, const std::string& secret, const std::string& uid) {
    auto claims = plan_token(account, json::object(), tokens.config(), now);
    if (!claims.ok()) return result<std::string>(claims.why());
    claims->bound = {"Secret", secret, uid};
    claims->expires = now + std::chrono::duration_cast<wall_time::duration>(token_life_of_secrets);
    claims->id = id;
    return tokens.issue(*claims);
  };
  return [secrets = asked.kind, around = std::move(around)](json& secret) { return admit_token_secret(*secrets, secret, around); };
}

/// Nobody hands out more than they have: upstream's rule against escalation.
admission guard::admit_role(const user_info& user, const target& asked) {
  const bool writes = asked.what == verb::create || asked.what == verb::update || asked.what == verb::patch;
  if (!writes || std::find(user.groups.begin(), user.groups.end(), group_masters) != user.groups.end()) return nullptr;
  const bool role = is_role(*asked.kind);
  wanted_access by{role ? "escalate" : "bind", std::string(rbac_group), "", "", asked.ns, "", ""};
  if (role) by.resource = std::string(asked.kind->plural), by.name = asked.name;
  static_cast<void>(book());
  return [book = book_, user, by, kind = asked.kind, role, ns = asked.ns](json& object) -> std::optional<api_error> {
    auto ask = by;
    const auto name = text_or(dig(object, "metadata", "name"));
    const auto& reference = dig(object, "roleRef");
    if (!role) {
      ask.resource = text_or(dig(reference, "kind")) == "ClusterRole" ? "clusterroles" : "roles";
      ask.name = text_or(dig(reference, "name"));
    }
    if (book->allows(user, ask)) return std::nullopt;
    const auto wanted = role ? rules_of(object) : book->referred(reference, ns);
    if (!role && wanted.empty()) return not_found(*schema::find(rbac_group, "v1", ask.resource), ask.name);
    if (covers_all(book->rules_for(user, ns), wanted)) return std::nullopt;
    std::string groups;
    for (const auto& one : user.groups) groups += (groups.empty() ? "\"" : " \"") + one + "\"";
    return forbidden(*kind, name, "user \"" + user.name + "\" (groups=[" + groups + "]) is attempting to grant RBAC permissions not currently held:\n" +
                                      to_text(rules_json(wanted)));
  };
}

}  // namespace troupe::apiserver
