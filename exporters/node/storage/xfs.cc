// SPDX-License-Identifier: Apache-2.0
//
// xfs: /sys/fs/xfs/DEVICE/stats/stats, lines "group number number ...".
#include "exporters/node/storage/storage.h"

namespace tocsin::exporters {
namespace {

struct Column {
  std::string_view group;
  std::size_t place;  // of the number in its line
  std::string_view name;
  std::string_view help;
};

constexpr Column kColumns[] = {
    {"extent_alloc", 1, "node_xfs_extent_allocation_extents_allocated_total",
     "Number of extents allocated for a filesystem."},
    {"extent_alloc", 2, "node_xfs_extent_allocation_blocks_allocated_total",
     "Number of blocks allocated for a filesystem."},
    {"extent_alloc", 3, "node_xfs_extent_allocation_extents_freed_total",
     "Number of extents freed for a filesystem."},
    {"extent_alloc", 4, "node_xfs_extent_allocation_blocks_freed_total",
     "Number of blocks freed for a filesystem."},
    {"abt", 1, "node_xfs_allocation_btree_lookups_total",
     "Number of allocation B-tree lookups for a filesystem."},
    {"abt", 2, "node_xfs_allocation_btree_compares_total",
     "Number of allocation B-tree compares for a filesystem."},
    {"abt", 3, "node_xfs_allocation_btree_records_inserted_total",
     "Number of allocation B-tree records inserted for a filesystem."},
    {"abt", 4, "node_xfs_allocation_btree_records_deleted_total",
     "Number of allocation B-tree records deleted for a filesystem."},
    {"blk_map", 1, "node_xfs_block_mapping_reads_total",
     "Number of block map for read operations for a filesystem."},
    {"blk_map", 2, "node_xfs_block_mapping_writes_total",
     "Number of block map for write operations for a filesystem."},
    {"blk_map", 3, "node_xfs_block_mapping_unmaps_total",
     "Number of block unmaps (deletes) for a filesystem."},
    {"blk_map", 4, "node_xfs_block_mapping_extent_list_insertions_total",
     "Number of extent list insertions for a filesystem."},
    {"blk_map", 5, "node_xfs_block_mapping_extent_list_deletions_total",
     "Number of extent list deletions for a filesystem."},
    {"blk_map", 6, "node_xfs_block_mapping_extent_list_lookups_total",
     "Number of extent list lookups for a filesystem."},
    {"blk_map", 7, "node_xfs_block_mapping_extent_list_compares_total",
     "Number of extent list compares for a filesystem."},
    {"bmbt", 1, "node_xfs_block_map_btree_lookups_total",
     "Number of block map B-tree lookups for a filesystem."},
    {"bmbt", 2, "node_xfs_block_map_btree_compares_total",
     "Number of block map B-tree compares for a filesystem."},
    {"bmbt", 3, "node_xfs_block_map_btree_records_inserted_total",
     "Number of block map B-tree records inserted for a filesystem."},
    {"bmbt", 4, "node_xfs_block_map_btree_records_deleted_total",
     "Number of block map B-tree records deleted for a filesystem."},
    {"dir", 1, "node_xfs_directory_operation_lookup_total",
     "Number of file name directory lookups which miss the operating systems directory name lookup "
     "cache."},
    {"dir", 2, "node_xfs_directory_operation_create_total",
     "Number of times a new directory entry was created for a filesystem."},
    {"dir", 3, "node_xfs_directory_operation_remove_total",
     "Number of times an existing directory entry was created for a filesystem."},
    {"dir", 4, "node_xfs_directory_operation_getdents_total",
     "Number of times the directory getdents operation was performed for a filesystem."},
    {"ig", 1, "node_xfs_inode_operation_attempts_total",
     "Number of times the OS looked for an XFS inode in the inode cache."},
    {"ig", 2, "node_xfs_inode_operation_found_total",
     "Number of times the OS looked for and found an XFS inode in the inode cache."},
    {"ig", 3, "node_xfs_inode_operation_recycled_total",
     "Number of times the OS found an XFS inode in the cache, but could not use it as it was being "
     "recycled."},
    {"ig", 4, "node_xfs_inode_operation_missed_total",
     "Number of times the OS looked for an XFS inode in the cache, but did not find it."},
    {"ig", 5, "node_xfs_inode_operation_duplicates_total",
     "Number of times the OS tried to add a missing XFS inode to the inode cache, but found it had "
     "already been added by another process."},
    {"ig", 6, "node_xfs_inode_operation_reclaims_total",
     "Number of times the OS reclaimed an XFS inode from the inode cache to free memory for "
     "another purpose."},
    {"ig", 7, "node_xfs_inode_operation_attribute_changes_total",
     "Number of times the OS explicitly changed the attributes of an XFS inode."},
    {"rw", 1, "node_xfs_write_calls_total",
     "Number of write(2) system calls made to files in a filesystem."},
    {"rw", 2, "node_xfs_read_calls_total",
     "Number of read(2) system calls made to files in a filesystem."},
    {"vnodes", 1, "node_xfs_vnode_active_total",
     "Number of vnodes not on free lists for a filesystem."},
    {"vnodes", 2, "node_xfs_vnode_allocate_total",
     "Number of times vn_alloc called for a filesystem."},
    {"vnodes", 3, "node_xfs_vnode_get_total", "Number of times vn_get called for a filesystem."},
    {"vnodes", 4, "node_xfs_vnode_hold_total", "Number of times vn_hold called for a filesystem."},
    {"vnodes", 5, "node_xfs_vnode_release_total",
     "Number of times vn_rele called for a filesystem."},
    {"vnodes", 6, "node_xfs_vnode_reclaim_total",
     "Number of times vn_reclaim called for a filesystem."},
    {"vnodes", 7, "node_xfs_vnode_remove_total",
     "Number of times vn_remove called for a filesystem."},
};

}  // namespace

Status collect_xfs(const Node& node, Families* out) {
  const std::string directory = node.sys("/fs/xfs");
  for (const std::string& device : node.list(directory)) {
    const StatusOr<std::string> text = node.file(directory + "/" + device + "/stats/stats");
    if (!text.ok()) continue;  // "stats" itself is the sum of all
    for (const std::string_view line : lines_of(*text)) {
      const std::vector<std::string_view> fields = fields_of(line);
      for (const Column& column : kColumns) {
        if (fields.empty() || fields[0] != column.group || column.place >= fields.size()) continue;
        const std::optional<double> value = to_number(fields[column.place]);
        if (value) out->counter(column.name, column.help, {{"device", device}}, *value);
      }
    }
  }
  return ok();
}

}  // namespace tocsin::exporters
