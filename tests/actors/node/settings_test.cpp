#include "actors/node/settings/settings.hpp"

#include <doctest/doctest.h>

#include <set>

using namespace troupe;
using namespace troupe::node;

namespace {

settings_input server_with(std::vector<argument> arguments, std::map<std::string, std::string> environment = {},
                           std::vector<config_file> files = {}) {
  settings_input in;
  in.arguments = std::move(arguments);
  in.environment = std::move(environment);
  in.files = std::move(files);
  in.read_file = [](const std::string& path) -> result<std::string> {
    if (path == "/secret") return std::string("from-file\n");
    if (path == "/empty") return std::string("\n");
    return fail(errc::not_found, path + " does not exist");
  };
  return in;
}
settings_input agent_with(std::vector<argument> arguments, std::map<std::string, std::string> environment = {},
                          std::vector<config_file> files = {}) {
  auto in = server_with(std::move(arguments), std::move(environment), std::move(files));
  in.what = command::agent;
  return in;
}
std::string only_error(const settings_input& in) {
  const auto out = merge_settings(in);
  REQUIRE(out.errors.size() == 1);
  return out.errors[0];
}
bool holds(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("with nothing said, a server is told K3s's defaults") {
  const auto out = merge_settings(server_with({}));
  CHECK(out.errors.empty());
  CHECK(out.server.https_port == 6443);
  CHECK(out.server.data_folder == "/var/lib/rancher/troupe");
  CHECK(out.server.identity_folder == "/etc/rancher/node");
  CHECK(out.server.kubeconfig_path == "/etc/rancher/troupe/troupe.yaml");
  CHECK(out.server.kubeconfig_mode == 0600);
  CHECK(out.server.cluster_dns == "10.43.0.10");
  CHECK(out.admin_socket == "/var/lib/rancher/troupe/admin.sock");
  CHECK(out.server.token.empty());
}

TEST_CASE("without root everything is kept below the home directory") {
  auto in = server_with({});
  in.home = "/home/ada";
  auto out = merge_settings(in);
  CHECK(out.server.data_folder == "/home/ada/.rancher/troupe");
  CHECK(out.server.identity_folder == "/home/ada/.rancher/troupe/node");
  CHECK(out.server.kubeconfig_path == "/home/ada/.rancher/troupe/troupe.yaml");
  in.arguments = {{"data-dir", "/srv/t/"}, {"identity-dir", "/srv/id"}};
  out = merge_settings(in);
  CHECK(out.server.data_folder == "/srv/t");
  CHECK(out.server.identity_folder == "/srv/id");
  CHECK(out.server.kubeconfig_path == "/srv/t/troupe.yaml");
}

TEST_CASE("a flag wins over a drop-in, that over the file, that over TROUPE_, that over K3S_") {
  // Each round takes the strongest away.
  std::vector<argument> line{{"node-name", "line"}};
  std::vector<config_file> files{{"c.yaml", "node-name: file\n"}, {"c.yaml.d/1.yaml", "node-name: dropin\n"}};
  std::map<std::string, std::string> env{{"TROUPE_NODE_NAME", "troupe"}, {"K3S_NODE_NAME", "k3s"}};
  CHECK(merge_settings(server_with(line, env, files)).server.node_name == "line");
  CHECK(merge_settings(server_with({}, env, files)).server.node_name == "dropin");
  files.pop_back();
  CHECK(merge_settings(server_with({}, env, files)).server.node_name == "file");
  CHECK(merge_settings(server_with({}, env)).server.node_name == "troupe");
  env.erase("TROUPE_NODE_NAME");
  CHECK(merge_settings(server_with({}, env)).server.node_name == "k3s");
  env["K3S_NODE_NAME"] = "";
  CHECK(merge_settings(server_with({}, env)).server.node_name.empty());
}

TEST_CASE("lists replace each other, and key+ appends") {
  using texts = std::vector<std::string>;
  const config_file first{"c.yaml", "tls-san: [a, b]\n"};
  CHECK(merge_settings(server_with({}, {}, {first})).server.tls_sans == texts{"a", "b"});
  CHECK(merge_settings(server_with({}, {}, {first, {"d.yaml", "tls-san: c\n"}})).server.tls_sans == texts{"c"});
  CHECK(merge_settings(server_with({}, {}, {first, {"d.yaml", "tls-san+: c\n"}})).server.tls_sans == texts{"a", "b", "c"});
  CHECK(merge_settings(server_with({}, {}, {{"d.yaml", "tls-san+:\n- c\n- d,e\n"}})).server.tls_sans == texts{"c", "d", "e"});
  CHECK(merge_settings(server_with({{"tls-san", "x"}, {"tls-san", "y,z"}}, {}, {first})).server.tls_sans == texts{"x", "y", "z"});
  CHECK(merge_settings(server_with({}, {{"TROUPE_TLS_SAN", "e,f"}}, {})).server.tls_sans == texts{"e", "f"});
}

TEST_CASE("plain values in the file stay the text that was written") {
  const auto out = merge_settings(server_with({}, {}, {{"c.yaml", "token: 007\nwrite-kubeconfig-mode: 0644\nhttps-listen-port: 7443\ndisable-agent: true\n"}}));
  REQUIRE(out.errors.empty());
  CHECK(out.server.token.reveal() == "007");
  CHECK(out.server.kubeconfig_mode == 0644);
  CHECK(out.server.https_port == 7443);
  CHECK(out.server.disable_agent);
}

TEST_CASE("a letter stands for its flag in a file too") {
  CHECK(merge_settings(server_with({}, {}, {{"c.yaml", "d: /srv/x\n"}})).server.data_folder == "/srv/x");
}

TEST_CASE("every field that a flag names arrives where it belongs") {
  const auto out = merge_settings(server_with({{"node-ip", "10.0.0.1,fd00::1"}, {"node-label", "a=b=c"}, {"node-label", "empty="},
                                               {"node-taint", "k=v:NoExecute"}, {"node-taint", "only:NoSchedule"},
                                               {"bind-address", "127.0.0.5"}, {"lb-server-port", "7001"}, {"kubelet-port", "7002"},
                                               {"advertise-address", "10.0.0.9"}, {"with-node-id", "true"}, {"node-lease-interval", "250ms"},
                                               {"node-status-interval", "1m30s"}, {"node-grace", "4s"}, {"node-check-interval", "1s"}, {"etcd-quota-bytes", "20000000"},
                                               {"cluster-domain", "x.y"}, {"service-cidr", "10.99.0.0/24"}, {"cluster-cidr", "10.98.0.0/16"},
                                               {"log-format", "json"}, {"debug", "true"}, {"admin-socket", "/a.sock"},
                                               {"agent-token", "at"}, {"token", "st"}, {"write-kubeconfig", "/k"}}));
  REQUIRE(out.errors.empty());
  const auto& c = out.server;
  CHECK(c.node_addresses == std::vector<std::string>{"10.0.0.1", "fd00::1"});
  CHECK(c.node_labels == std::map<std::string, std::string>{{"a", "b=c"}, {"empty", ""}});
  REQUIRE(c.node_taints.size() == 2);
  CHECK(c.node_taints[0] == json{{"key", "k"}, {"value", "v"}, {"effect", "NoExecute"}});
  CHECK(c.node_taints[1] == json{{"key", "only"}, {"effect", "NoSchedule"}});
  CHECK(c.bind_address == "127.0.0.5");
  CHECK(c.etcd_quota_bytes == 20000000);
  CHECK(c.balancer_port == 7001);
  CHECK(c.kubelet_port == 7002);
  CHECK(c.advertise_address == "10.0.0.9");
  CHECK(c.with_node_id);
  CHECK(c.heartbeat_every == std::chrono::milliseconds(250));
  CHECK(c.status_every == std::chrono::seconds(90));
  CHECK(c.node_grace == std::chrono::seconds(4));
  CHECK(c.node_check_every == std::chrono::seconds(1));
  CHECK(c.cluster_domain == "x.y");
  CHECK(c.cluster_dns == "10.99.0.10");
  CHECK(c.cluster_cidr == "10.98.0.0/16");
  CHECK(c.token.reveal() == "st");
  CHECK(c.agent_token.reveal() == "at");
  CHECK(c.kubeconfig_path == "/k");
  CHECK(out.json_log);
  CHECK(out.debug);
  CHECK(out.admin_socket == "/a.sock");
}

TEST_CASE("an agent needs a server and a token, and reads both from K3s's variables") {
  const auto out = merge_settings(agent_with({}, {{"K3S_URL", "https://h:7443"}, {"K3S_TOKEN", "t"}}));
  REQUIRE(out.errors.empty());
  CHECK(out.agent.server == endpoint{"h", 7443});
  CHECK(out.agent.token.reveal() == "t");
  CHECK(holds(only_error(agent_with({{"server", "https://h:6443"}})), "--token"));
  CHECK(holds(only_error(agent_with({{"token", "t"}})), "--server"));
  CHECK(holds(only_error(agent_with({{"token", "t"}, {"server", "http://h:6443"}})), "--server"));
  CHECK(merge_settings(agent_with({{"token-file", "/secret"}, {"server", "https://h:6443"}})).agent.token.reveal() == "from-file");
  CHECK(holds(only_error(agent_with({{"token-file", "/nowhere"}, {"server", "https://h:6443"}})), "/nowhere"));
  CHECK(holds(only_error(agent_with({{"token-file", "/empty"}, {"server", "https://h:6443"}})), "empty"));
}

TEST_CASE("an unknown flag names the nearest known one") {
  for (const auto& [typed, meant] : {std::pair{"tokn", "--token"}, {"node-nam", "--node-name"}, {"bind-adress", "--bind-address"},
                                     {"write-kubeconfg", "--write-kubeconfig"}, {"Data-Dir", "--data-dir"}})
    CHECK_MESSAGE(holds(only_error(server_with({{typed, "x"}})), std::string("did you mean ") + meant + "?"), typed);
  CHECK(holds(only_error(server_with({{"zzzzzzzzzzzzzzzzzzzzzzzzzzzz", "x"}})), "--help"));
  CHECK(only_error(server_with({{std::string(100000, 'q'), "x"}})).size() < 300);
}

TEST_CASE("a K3s flag that is not built says so by name, wherever it stands") {
  const std::string words = "is a K3s flag that this version of troupe does not have yet";
  CHECK(only_error(server_with({{"kine-tls", "true"}})) == "--kine-tls " + words);
  CHECK(only_error(agent_with({{"docker", "true"}})) == "--docker " + words);
  CHECK(holds(only_error(server_with({}, {}, {{"c.yaml", "\nkube-apiserver-arg:\n- traefik\n"}})), "c.yaml, line 2: kube-apiserver-arg " + words));
  CHECK(holds(only_error(server_with({}, {{"K3S_DATASTORE_ENDPOINT", "mysql://x"}})), "K3S_DATASTORE_ENDPOINT"));
}

TEST_CASE("a flag of the other command is named as such") {
  CHECK(holds(only_error(agent_with({{"token", "t"}, {"server", "https://h:6443"}, {"tls-san", "x"}})), "is a flag of `troupe server`"));
}

TEST_CASE("a bad configuration file is refused with file and line") {
  CHECK(holds(only_error(server_with({}, {}, {{"c.yaml", "debug: true\n\ttoken: x\n"}})), "c.yaml, line 2"));
  CHECK(holds(only_error(server_with({}, {}, {{"c.yaml", "debug: true\n\ttoken: x\n"}})), "tab"));
  CHECK(holds(only_error(server_with({}, {}, {{"c.yaml", "debug: true\ntoken:\n  a: b\n"}})), "c.yaml, line 2: token takes"));
  CHECK(holds(only_error(server_with({}, {}, {{"c.yaml", "tls-san:\n- [a]\n"}})), "nested"));
  CHECK(holds(only_error(server_with({}, {}, {{"c.yaml", "# x\n\"tokn\": a\n"}})), "c.yaml, line 2: tokn is no flag"));
  CHECK(holds(only_error(server_with({}, {}, {{"c.yaml", "- token\n"}})), "c.yaml"));
  CHECK(holds(only_error(server_with({}, {}, {{"c.yaml", "token: [a\n"}})), "c.yaml, line"));
  CHECK(holds(only_error(server_with({}, {}, {{"c.yaml", std::string("\xff\xfe\x00z", 4)}})), "c.yaml"));
  CHECK(holds(only_error(server_with({}, {}, {{"c.yaml", "config: other\n"}})), "cannot name another"));
  CHECK(merge_settings(server_with({}, {}, {{"c.yaml", ""}})).errors.empty());
  CHECK(merge_settings(server_with({}, {}, {{"c.yaml", "token:\n"}})).server.token.empty());
}

TEST_CASE("a server skips what only an agent knows, and says so; an agent refuses what it does not know") {
  std::set<std::string_view> agent_only;
  for (const auto& f : flags())
    if (!f.is_for(command::server)) agent_only.insert(f.name);
  // Every agent flag is a server flag as well, as in K3s; the rule is there for later commands.
  CHECK(agent_only.empty());
  CHECK(holds(only_error(agent_with({{"token", "t"}, {"server", "https://h:6443"}}, {}, {{"c.yaml", "cluster-domain: x\n"}})),
              "c.yaml, line 1: cluster-domain is a flag of `troupe server`"));
}

TEST_CASE("values that make no sense are refused by name") {
  for (const auto& [name, value] : {std::pair{"https-listen-port", "0"}, {"https-listen-port", "65536"}, {"https-listen-port", "6443x"},
                                    {"lb-server-port", ""}, {"kubelet-port", "-1"}, {"node-name", "no dots_or_this"}, {"node-name", "-a"},
                                    {"node-label", "=x"}, {"node-label", "x"}, {"node-taint", "x"}, {"node-taint", "a=b:Never"},
                                    {"node-taint", ":NoSchedule"}, {"write-kubeconfig-mode", "0999"}, {"write-kubeconfig-mode", "07777"},
                                    {"disable-agent", "perhaps"}, {"log-format", "xml"}, {"node-grace", "5"}, {"node-grace", "0s"},
                                    {"node-grace", "99999999999999h"}, {"service-cidr", "10.43.0.0/16,fd00::/112"},
                                    {"etcd-quota-bytes", "1048575"}, {"etcd-quota-bytes", "4GiB"}, {"etcd-quota-bytes", ""}})
    CHECK_MESSAGE(holds(only_error(server_with({{name, value}})), "--" + std::string(name)), name << "=" << value);
}

TEST_CASE("no sentence repeats a secret") {
  for (const auto& in : {server_with({{"token", "hunter2"}, {"nod-name", "x"}}), server_with({}, {}, {{"c.yaml", "token:\n- hunter2\n- [x]\n"}}),
                         agent_with({{"token", "hunter2"}, {"server", "nonsense"}})})
    for (const auto& e : merge_settings(in).errors) CHECK(!holds(e, "hunter2"));
}

TEST_CASE("the table names every flag and every letter once") {
  std::set<std::string_view> names, variables;
  std::set<char> letters;
  static std::set<std::string> kept;
  for (const auto& f : flags()) {
    CHECK_MESSAGE(names.insert(f.name).second, f.name);
    CHECK_MESSAGE(variables.insert(*kept.insert(variable_of(f)).first).second, f.name);
    if (f.letter) CHECK_MESSAGE(letters.insert(f.letter).second, f.name);
    if (f.built) CHECK_MESSAGE(!f.meaning.empty(), f.name);
    CHECK(f.who != 0);
  }
}

TEST_CASE("--disable names packaged things that are built in, and files of manifests") {
  const auto got = merge_settings(server_with({{"disable", "coredns,web"}, {"disable", "metrics-server"}}));
  REQUIRE(got.errors.empty());
  CHECK(got.server.disable_dns);
  CHECK(!got.server.disable_service_lb);
  CHECK(got.server.disabled_manifests == std::vector<std::string>{"coredns", "web", "metrics-server"});
}
