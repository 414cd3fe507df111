/* SPDX-License-Identifier: Apache-2.0 */
/* Pipes and FIFOs. See pipe.c for the theory of operation. */
#ifndef FS_PIPE_H
#define FS_PIPE_H

#include "fs/file.h"

struct pipe;

/* pipe2(2): flags O_CLOEXEC (the caller's business), O_NONBLOCK, O_DIRECT. */
int pipe_new_files(int flags, struct file **rd, struct file **wr) MUST_CHECK;
/* Opens a FIFO inode; for inode_ops.open of S_IFIFO inodes. Blocks as fifo(7) says, so no lock may be held. On success
 * path (heap, with references; may be NULL: then a reference of i) belongs to the file. */
int fifo_open(struct inode *i, struct path *path, int flags, struct file **out) MUST_CHECK;

/* The pipe behind f, or NULL if f is none. */
struct pipe *pipe_of(struct file *f);
/* F_GETPIPE_SZ and F_SETPIPE_SZ: the size, or -EBADF, -EINVAL, -EPERM, -EBUSY, -ENOMEM. */
int64_t pipe_get_size(struct file *f);
int64_t pipe_set_size(struct file *f, unsigned size, bool privileged);

/* Pieces of splice(2), none of which blocks: the count moved, -EAGAIN, 0 at the end of file, or another errno.
 * in and out are not pipes in the first two. pos as in file_ops. */
ssize_t pipe_splice_from_file(struct file *pipe, struct file *in, off_t *pos, size_t len, int flags) MUST_CHECK;
ssize_t pipe_splice_to_file(struct file *pipe, struct file *out, off_t *pos, size_t len, int flags) MUST_CHECK;
enum pipe_move { PIPE_MOVE, PIPE_TEE };
ssize_t pipe_to_pipe(struct file *in, struct file *out, size_t len, enum pipe_move how) MUST_CHECK;

#endif
