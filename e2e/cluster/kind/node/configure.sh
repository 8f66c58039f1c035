# Runs once in a container of the base image, after the node's files were copied in.
set -eu

# Of Debian's own units only what systemd itself pulls in may start: the rest expects a machine.
rm -f /etc/systemd/system/*.wants/* /lib/systemd/system/multi-user.target.wants/* /lib/systemd/system/local-fs.target.wants/* \
	/lib/systemd/system/sockets.target.wants/*udev* /lib/systemd/system/sockets.target.wants/*initctl*
# It would apply Debian's settings for /tmp, /run and /var to folders that Docker mounts.
rm -f /lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service
# The kernel's log belongs to the machine, not to the node.
printf 'ReadKMsg=no\n' >> /etc/systemd/journald.conf
systemctl --quiet enable containerd.service kubelet.service undo-mount-hacks.service
# binfmt_misc is one for the whole kernel.
systemctl --quiet mask systemd-binfmt.service

# The images go into the node's image store without unpacking: that happens in the cluster, where the store has a disk of its own.
containerd > /tmp/containerd.log 2>&1 &
server=$!
tries=0
until ctr version > /dev/null 2>&1; do
	tries=$((tries + 1))
	if [ "$tries" -ge 300 ]; then
		cat /tmp/containerd.log
		echo "containerd does not answer" >&2
		exit 1
	fi
	sleep 0.1
done
for archive in /images/*.tar; do
	ctr --namespace k8s.io images import --no-unpack "$archive"
done
kill "$server"
wait "$server" || true
rm -f /tmp/containerd.log
