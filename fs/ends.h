/* SPDX-License-Identifier: Apache-2.0 */
/* Things whose last reference has gone. The end of one may drop the last reference of others, and so on as deep as a guest made that: they end
 * one after the other, never within each other. A thread has a list for each kind of things. */
#ifndef FS_ENDS_H
#define FS_ENDS_H

/* A part of what ends. */
struct ended {
	struct ended *next;
};

struct ends {
	void (*end)(struct ended *what);
	struct ended *due; /* newest first */
	void (*then)(void); /* called once when nothing is due; may be NULL */
	int held; /* somebody further up ends what is due, or must not yet */
};

/* what ends now, or as soon as the list is not held. */
void ends_queue(struct ends *e, struct ended *what);
void ends_hold(struct ends *e);
void ends_release(struct ends *e);

#endif
