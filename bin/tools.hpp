// The commands beside server and agent that need no actor.
#pragma once
#include <string>
#include <vector>

namespace troupe::bin {

/// Becomes the installed kubectl with the admin's kubeconfig, unless the caller chose one. Returns only when
/// there is none: 127.
int run_kubectl(const std::vector<std::string>& arguments);
/// `troupe token create|list|delete|generate` (passes.cpp): bootstrap tokens, by asking a running server.
int run_token(const std::vector<std::string>& arguments);
/// `troupe node revoke|admit|list` (passes.cpp): likewise.
int run_node_command(const std::vector<std::string>& arguments);
/// `troupe certificate check` (certificates.cpp): what a node keeps and when it ends.
int run_certificate(const std::vector<std::string>& arguments);
/// [a-z0-9]{6}.[a-z0-9]{16}, unguessable.
std::string random_bootstrap_token();
/// Columns as wide as their widest cell, three blanks between; the first row is the heading.
void print_table(const std::vector<std::vector<std::string>>& rows);
/// `troupe etcd-snapshot save|ls|delete|prune`: asks the running server of a data directory.
int run_etcd_snapshot(const std::vector<std::string>& arguments);
/// `troupe datastore migrate`: the objects of a server that stands still into another engine.
int run_datastore(const std::vector<std::string>& arguments);
/// `troupe secrets-encrypt status|enable|disable|rotate-keys`: asks a running server (secrets.cpp); says which of K3s's other
/// such commands are not built.
int run_secrets_encrypt(const std::vector<std::string>& arguments);
/// `troupe token rotate`: likewise.
int run_token_rotate(const std::vector<std::string>& arguments);
/// Copies this program, writes a systemd unit and its environment file (0600: secrets are in it), starts it.
/// With `--root DIR` everything goes below DIR and no service manager is asked.
int run_install(const std::vector<std::string>& arguments);
/// Stops and removes what run_install wrote, and the data directories; never /etc/rancher/node.
int run_uninstall(const std::vector<std::string>& arguments);

}  // namespace troupe::bin
