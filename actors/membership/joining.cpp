#include "actors/membership/joining.hpp"

#include <algorithm>

namespace troupe::membership {

std::string node_of_member(const std::string& name) {
  const auto dash = name.rfind('-');
  return dash == std::string::npos ? name : name.substr(0, dash);
}

std::string host_of_url(const std::string& url) {
  const auto scheme = url.find("://");
  auto rest = scheme == std::string::npos ? url : url.substr(scheme + 3);
  if (const auto slash = rest.find('/'); slash != std::string::npos) rest.resize(slash);
  if (rest.starts_with('[')) return rest.substr(1, rest.find(']') - 1);
  const auto colon = rest.rfind(':');
  return colon == std::string::npos ? rest : rest.substr(0, colon);
}

json members_json(const std::vector<storage::member>& members) {
  json list = json::array();
  for (const auto& m : members) {
    json one{{"ID", m.id}};
    if (!m.name.empty()) one["name"] = m.name;
    if (!m.peer_urls.empty()) one["peerURLs"] = m.peer_urls;
    if (!m.client_urls.empty()) one["clientURLs"] = m.client_urls;
    if (m.learner) one["isLearner"] = true;
    list.push_back(std::move(one));
  }
  return {{"members", std::move(list)}};
}

result<std::vector<storage::member>> parse_members(std::string_view text) {
  const auto read = parse_json(text);
  if (!read.ok() || !dig(*read, "members").is_array()) return fail(errc::invalid, "the list of members cannot be read");
  const auto texts = [](const json& list) {
    std::vector<std::string> out;
    if (list.is_array())
      for (const auto& each : list) out.push_back(text_or(each));
    return out;
  };
  std::vector<storage::member> out;
  for (const auto& one : dig(*read, "members")) {
    const auto& id = dig(one, "ID");
    if (!id.is_number_unsigned()) return fail(errc::invalid, "a member without an ID");
    out.push_back({id.get<std::uint64_t>(), text_or(dig(one, "name")), texts(dig(one, "peerURLs")), texts(dig(one, "clientURLs")),
                   dig(one, "isLearner").is_boolean() && dig(one, "isLearner").get<bool>()});
  }
  return out;
}

join_step next_step(const candidate_member& self, const std::vector<storage::member>& members) {
  const storage::member* ours = nullptr;
  for (const auto& m : members) {
    const bool same_url = std::find(m.peer_urls.begin(), m.peer_urls.end(), self.peer_url) != m.peer_urls.end();
    if (same_url) ours = &m;
    // A member of that node elsewhere: two machines with one name. Our own dead self has our address.
    else if (!m.name.empty() && node_of_member(m.name) == self.node && m.name != self.name)
      return duplicate_member{m.peer_urls.empty() ? "another address" : host_of_url(m.peer_urls.front())};
  }
  if (!ours) return add_member{};
  // Added, never started: that is us, before an interruption. A name means data that we do not have.
  if (!ours->name.empty()) return replace_member{ours->id};
  std::string initial;
  for (const auto& m : members)
    for (const auto& url : m.peer_urls) initial += (initial.empty() ? "" : ",") + (&m == ours ? self.name : m.name) + "=" + url;
  return start_member{initial};
}

std::vector<std::string> voters(const std::vector<storage::member>& members, const std::string& own_client_url) {
  std::vector<std::string> out;
  for (const auto& m : members)
    if (!m.learner)
      for (const auto& url : m.client_urls)
        if (url != own_client_url) out.push_back(url);
  return out;
}

}  // namespace troupe::membership
