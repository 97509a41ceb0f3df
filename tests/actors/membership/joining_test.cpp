#include "actors/membership/etcd_child.hpp"
#include "actors/membership/joining.hpp"

#include <doctest/doctest.h>

using namespace troupe;
using namespace troupe::membership;
using storage::member;

namespace {
const candidate_member self{"n2", "n2-0a1b2c3d", "https://10.0.0.2:2380", "https://10.0.0.2:2379"};
member voter(std::uint64_t id, const std::string& name, const std::string& host) {
  return {id, name, {"https://" + host + ":2380"}, {"https://" + host + ":2379"}, false};
}
}  // namespace

TEST_CASE("who is not among the members asks to be added, who was added starts with everybody's names and URLs") {
  std::vector<member> all{voter(1, "n1-11111111", "10.0.0.1")};
  CHECK(std::holds_alternative<add_member>(next_step(self, all)));
  CHECK(std::holds_alternative<add_member>(next_step(self, {})));
  all.push_back({2, "", {self.peer_url}, {}, true});
  const auto step = next_step(self, all);
  REQUIRE(std::holds_alternative<start_member>(step));
  CHECK(std::get<start_member>(step).initial_cluster == "n1-11111111=https://10.0.0.1:2380,n2-0a1b2c3d=https://10.0.0.2:2380");
}

TEST_CASE("who stands there started, although it has no data, is replaced: its disk was lost") {
  const auto step = next_step(self, {voter(1, "n1-11111111", "10.0.0.1"), voter(7, "n2-ffffffff", "10.0.0.2")});
  REQUIRE(std::holds_alternative<replace_member>(step));
  CHECK(std::get<replace_member>(step).who == 7);
}

TEST_CASE("a member of our node's name elsewhere is somebody else, and says where") {
  const auto step = next_step(self, {voter(1, "n2-11111111", "10.0.0.9")});
  REQUIRE(std::holds_alternative<duplicate_member>(step));
  CHECK(std::get<duplicate_member>(step).address == "10.0.0.9");
  member nowhere = voter(1, "n2-11111111", "10.0.0.9");
  nowhere.peer_urls.clear();
  CHECK(std::holds_alternative<duplicate_member>(next_step(self, {nowhere})));
  // A name that only begins alike is another node's.
  CHECK(std::holds_alternative<add_member>(next_step(self, {voter(1, "n22-11111111", "10.0.0.9"), voter(2, "n2-b-11111111", "10.0.0.8")})));
}

TEST_CASE("the endpoints of a member are the others that vote") {
  auto learner = voter(3, "n3-33333333", "10.0.0.3");
  learner.learner = true;
  CHECK(voters({voter(1, "n1-11111111", "10.0.0.1"), voter(2, "n2-22222222", "10.0.0.2"), learner, {4, "", {"https://10.0.0.4:2380"}, {}, false}}, self.client_url) ==
        std::vector<std::string>{"https://10.0.0.1:2379"});
  CHECK(voters({}, self.client_url).empty());
}

TEST_CASE("names and hosts are taken apart, also where there is little to take") {
  CHECK(node_of_member("n1-11111111") == "n1");
  CHECK(node_of_member("a-b-11111111") == "a-b");
  CHECK(node_of_member("plain") == "plain");
  CHECK(node_of_member("") == "");
  CHECK(host_of_url("https://10.0.0.1:2380") == "10.0.0.1");
  CHECK(host_of_url("https://[fd00::1]:2380") == "fd00::1");
  CHECK(host_of_url("https://[fd00::1]:2380/x") == "fd00::1");
  CHECK(host_of_url("10.0.0.1") == "10.0.0.1");
  CHECK(host_of_url("https://host/path:1") == "host");
  CHECK(host_of_url("https://[fd00::1") == "fd00::1");
  CHECK(host_of_url("") == "");
}

TEST_CASE("a list of members comes back as it was written, and what is no list is refused") {
  auto learner = voter(18'446'744'073'709'551'615ull, "n3-33333333", "10.0.0.3");
  learner.learner = true;
  const std::vector<member> all{voter(1, "n1-11111111", "10.0.0.1"), learner, {4, "", {"https://10.0.0.4:2380"}, {}, false}};
  const auto back = parse_members(to_text(members_json(all)));
  REQUIRE(back.ok());
  REQUIRE(back->size() == 3);
  for (std::size_t i = 0; i < 3; ++i) {
    CHECK((*back)[i].id == all[i].id);
    CHECK((*back)[i].name == all[i].name);
    CHECK((*back)[i].peer_urls == all[i].peer_urls);
    CHECK((*back)[i].client_urls == all[i].client_urls);
    CHECK((*back)[i].learner == all[i].learner);
  }
  CHECK(parse_members(R"({"members":[]})")->empty());
  for (const char* bad : {"", "{", "[]", "7", "null", "{}", R"({"members":{}})", R"({"members":[7]})", R"({"members":[{}]})", R"({"members":[{"ID":-1}]})",
                          R"({"members":[{"ID":"1"}]})", R"({"members":[{"ID":1.5}]})", R"({"members":[null]})"})
    CHECK_MESSAGE(parse_members(bad).code() == errc::invalid, bad);
  // Fields of the wrong kind count as not there.
  const auto odd = parse_members(R"({"members":[{"ID":5,"name":7,"peerURLs":"x","clientURLs":[1,null],"isLearner":"yes"}]})");
  REQUIRE(odd.ok());
  CHECK(odd->front().name.empty());
  CHECK(odd->front().peer_urls.empty());
  CHECK_FALSE(odd->front().learner);
}

TEST_CASE("etcd beside its server is reached over a socket in the keys' own folder, or over TLS where no socket can be") {
  keeper_config with;
  with.folder = "/d/server/db/etcd";
  with.tls_folder = "/d/server/tls/etcd";
  with.address = "10.0.0.1";
  const auto listens = [&] {
    for (const auto& word : etcd_order(with, "n", "", "existing").arguments)
      if (word.starts_with("--listen-client-urls=")) return word;
    return std::string();
  };
  CHECK(etcd_socket(with) == "unix:///d/server/tls/etcd/client:0");
  CHECK(listens() == "--listen-client-urls=https://10.0.0.1:2379,unix://client:0");
  CHECK(etcd_order(with, "n", "", "existing").folder == with.tls_folder);
  for (const auto& folder : {std::string("relative/tls/etcd"), "/" + std::string(107, 'x')}) {
    with.tls_folder = folder;
    CHECK(etcd_socket(with).empty());
    CHECK(listens() == "--listen-client-urls=https://10.0.0.1:2379");
    CHECK(etcd_order(with, "n", "", "existing").folder.empty());
  }
}
