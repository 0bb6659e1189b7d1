"""The layer and copy-on-write engine: OCI images, a union of layers, containers, a registry and a journal.

It knows no web framework, and nothing of what pages draw. Modules form a ladder, each importing only those above it:

    errors, digest, reference, whiteout, paths  words and their grammar
    scratch                                 temporary files, and how full a disk may be
    spec                                    OCI and docker JSON documents
    events                                  what happened, in past tense
    blobs, memoryblobs, files               bytes by digest; files that can be made again
    pax, ustar, tar, compression            how layers are packed
    layer, layerindex, layerwriter          a layer as an index over its tar; reading and writing one
    layerstore                              layers by diff_id, read once
    union, upper, spool, content, nodes, merged  many layers seen as one tree; a container's change set on top
    drafts, writable, snapshot, diff        changing it as the kernel's overlayfs would; telling what was changed
    database                                tables and durable transactions
    image                                   manifest, config and layers as one value
    platforms, together, transfer           which image of an index to take; how an image comes in
    registry, ocilayout                     the distribution API; a directory or archive of images behind it
    shell, archive, usage                   what reads or edits images and trees
    addresses, credentials, authorization   which machines may be reached; who one is to a registry
    remote                                  a registry seen from the client's side
    pull, push                              an image comes from a registry; one goes to it
    network                                 the transport to one over HTTP
    registries                              which registry answers for a reference
    host                                    the Docker host as one immutable value
    context                                 what a command is given beside the host
    options, terminal, commands             docker's verbs and docker's words
    journal                                 host values over time: undo, redo, jump, fork
"""
