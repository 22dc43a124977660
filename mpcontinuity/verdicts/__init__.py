"""What SPF, DKIM and DMARC say of mail when it comes: at redelivery it comes from us, and nobody could tell."""
