// Who is asking and what they may do, for the gate that owns it: certificates, tokens of service accounts, bootstrap tokens and
// cluster passwords; masters, nodes, and the cluster's RBAC rules. Reads the objects of the gate's own snapshots, answers the
// questions that are asked as objects (reviews, TokenRequests). On the gate's thread.
#pragma once
#include <functional>
#include <map>
#include <memory>

#include "actors/apiserver/auth/account_tokens.hpp"
#include "actors/apiserver/auth/rbac.hpp"
#include "actors/apiserver/identity.hpp"
#include "actors/apiserver/messages.hpp"
#include "actors/runtime/world.hpp"

namespace troupe::apiserver {

struct guard_config {
  secret_text bearer_server, bearer_agent;   ///< Cluster passwords that also work as bearer tokens.
  token_config tokens;
  std::size_t believed_max = 1000;           ///< Tokens whose signature has been checked already.
};

class guard {
 public:
  using objects = std::function<model::snapshot(const schema::kind& kind)>;
  guard() = default;
  guard(const rt::world& in, guard_config config, objects all);

  std::variant<user_info, api_error> identify(const net::http::request& ask);
  verdict decide(const user_info& user, const target& asked);
  /// Reviews, token requests and what is published of the tokens' keys: answered here, nothing of it is kept.
  bool answers(const target& asked) const;
  void answer(const user_info& user, const target& asked, const net::http::request& ask, net::http::exchange& to, std::string_view server);
  /// What an object that is written must still pass, on its keeper's thread; null when nothing.
  admission admit(const user_info& user, const target& asked);
  /// True for a pod whose namespace's account "default" is about to be made: worth a moment's wait.
  bool lacks_account(const target& asked) const;
  /// Objects of that kind have changed.
  void hear(const schema::kind& kind);
  void use_passwords(secret_text server, secret_text agent);

 private:
  struct believed { account_claims claims; };
  const schema::kind& kind_of(std::string_view group, std::string_view plural) const;
  std::optional<json> object(std::string_view group, std::string_view plural, const std::string& key) const;
  std::optional<user_info> bootstrapper(std::string_view token) const;
  std::variant<user_info, api_error> holder(std::string_view token, const std::vector<std::string>& audiences);
  result<account_claims> read_token(std::string_view token);
  std::string why_void(const account_claims& claims) const;
  const rbac_book& book();
  verdict decide_access(const user_info& user, const wanted_access& what);
  void grant_token(const target& asked, const net::http::request& ask, net::http::exchange& to);
  std::optional<api_error> bind_token(account_claims& claims) const;
  admission admit_role(const user_info& user, const target& asked);
  admission admit_secret(const target& asked);

  const rt::world* world_ = nullptr;
  guard_config config_;
  objects all_;
  account_tokens tokens_;
  accepted_tokens accepted_;
  std::map<std::string, believed> believed_;   ///< By the token's digest.
  std::shared_ptr<const rbac_book> book_;      ///< Null: to be made anew.
};

}  // namespace troupe::apiserver
